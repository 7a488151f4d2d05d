"""Mathematics as MathML, which browsers draw without a script."""

from __future__ import annotations

from typing import Any


def visit_inline(writer: Any, node: Any) -> None:
    """Write mathematics inside a line."""
    _write(writer, node, as_block=False)


def visit_block(writer: Any, node: Any) -> None:
    """Write displayed mathematics."""
    _write(writer, node, as_block=True)


def _write(writer: Any, node: Any, *, as_block: bool) -> None:
    from docutils import nodes
    from docutils.utils.math.latex2mathml import tex2mathml

    # Written as this one piece: children are the same text.
    writer.body.append(tex2mathml(_plain(node.astext()), as_block=as_block))
    raise nodes.SkipNode


def _plain(formula: str) -> str:
    """The same formula without commands that set sizes alone, which MathML has no need of."""
    for command in (r"\textstyle", r"\displaystyle", r"\Big", r"\big"):
        formula = formula.replace(command, "")
    return formula.replace(r"\tfrac", r"\frac").replace(r"\lVert", r"\Vert").replace(r"\rVert", r"\Vert")
