"""Mathematics as MathML, which browsers draw without a script."""

from __future__ import annotations

import re
from typing import Any


def visit_inline(writer: Any, node: Any) -> None:
    """Write mathematics inside a line."""
    _write(writer, node, as_block=False)


def visit_block(writer: Any, node: Any) -> None:
    """Write displayed mathematics."""
    _write(writer, node, as_block=True)


def mathml(formula: str, *, as_block: bool = False) -> str:
    r"""Turn a formula in LaTeX into MathML.

    Examples
    --------
    >>> mathml(r"\tfrac12")[:5]
    '<math'
    """
    from docutils.utils.math.latex2mathml import tex2mathml

    return _spaced(str(tex2mathml(_plain(formula), as_block=as_block)))


def _write(writer: Any, node: Any, *, as_block: bool) -> None:
    from docutils import nodes

    # Written as this one piece: children are the same text.
    writer.body.append(mathml(node.astext(), as_block=as_block))
    raise nodes.SkipNode


# Sizes, which MathML has no need of, and commands that docutils knows by another name.
_OTHERS = {
    r"\textstyle": "", r"\displaystyle": "", r"\Big": "", r"\big": "", r"\dots": r"\ldots", r"\tfrac": r"\frac",
    "½": r"\frac{1}{2}",
}  # fmt: skip


def _plain(formula: str) -> str:
    for command, other in _OTHERS.items():
        formula = re.sub(re.escape(command) + r"(?![A-Za-z])", lambda _, other=other: other, formula)  # type: ignore[misc]
    # docutils takes digits that follow each other for one number.
    return re.sub(r"\\frac(\d)(\d)", r"\\frac{\1}{\2}", formula)


_THIN = '<mspace width="0.17em"/>'
_APPLIED = re.compile(r"(?P<applied><mo>&ApplyFunction;</mo>)(?P<rest>\s*)(?!\s*<mo[^>]*>\()")
_BEFORE = re.compile(
    r"(?P<factor></m(?:i|n|frac|sub|sup|subsup)>\s*)(?P<named><mi[^>]*>\w+</mi>\s*<mo>&ApplyFunction;</mo>)"
)


def _spaced(drawn: str) -> str:
    """Part names of functions from what is beside them: browsers set ln V as one word."""
    drawn = _BEFORE.sub(rf"\g<factor>{_THIN}\g<named>", drawn)
    return _APPLIED.sub(rf"\g<applied>{_THIN}\g<rest>", drawn)
