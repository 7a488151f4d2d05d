"""Markdown as MyST reads it: tables, code, and prose of docstrings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# Code, roles with their text, and mathematics are taken first: signs in them mean nothing else.
_INLINE = re.compile(r"``(?P<code>.+?)``|:(?P<role>[\w:]+):`(?P<text>[^`]+)`", flags=re.DOTALL)
_SIGNS = re.compile(r"(?<!\\)([*<|$])")
# A term at the left, and what is said of it further in.
_TERM = re.compile(r"^(?P<term>``[^\n]+)\n(?P<text>(?: {4}[^\n]+(?:\n|$))+)", flags=re.MULTILINE)
_RULED = re.compile(r"^=+(?: +=+)+\n(?:[^\n]+\n)+?=+(?: +=+)+\n(?:[^\n]+\n)+=+(?: +=+)+$", flags=re.MULTILINE)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table; empty if it has no rows.

    Examples
    --------
    >>> print(table(("name", "unit"), [("slope", "1")]))
    | name | unit |
    | :-- | :-- |
    | slope | 1 |
    """
    lines = [_row(row) for row in rows]
    return "\n".join([_row(heads), _row([":--"] * len(heads)), *lines]) if lines else ""


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(" ".join(str(cell).split()) for cell in cells) + " |"


def code(text: str, language: str = "python") -> str:
    """Write a block of code."""
    # A fence longer than any inside it.
    longest = max((len(ticks) for ticks in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def prose(text: str) -> str:
    r"""Turn prose of a docstring, in reStructuredText, into Markdown.

    Examples
    --------
    >>> print(prose("``slope`` of :math:`n < p`, a * b, see :func:`saegeom_data.open`"))
    `slope` of $n < p$, a \* b, see `open`
    """
    parts, place = [], 0
    for ruled in _RULED.finditer(text):
        parts += [_paragraphs(text[place : ruled.start()]), _ruled(ruled[0])]
        place = ruled.end()
    return "".join([*parts, _paragraphs(text[place:])])


def _ruled(text: str) -> str:
    """Turn a table whose columns stand below signs of equality into one of Markdown."""
    first, *lines = text.split("\n")
    starts = [column.start() for column in re.finditer("=+", first)]
    ends = [*starts[1:], None]
    heads, *rows = ([line[a:b].strip() for a, b in zip(starts, ends, strict=True)] for line in lines if line[0] != "=")
    return table([cell(head) for head in heads], [[cell(each) for each in row] for row in rows])


def _paragraphs(text: str) -> str:
    """Turn prose without ruled tables into Markdown."""
    parts, place = [], 0
    text = _TERM.sub(_defined, text)
    for found in _INLINE.finditer(text):
        parts += [_escaped(text[place : found.start()]), _inline(found)]
        place = found.end()
    return _displayed("".join([*parts, _escaped(text[place:])]))


def _defined(found: re.Match[str]) -> str:
    """Write a term and its definition as a list of definitions does."""
    words = " ".join(line.strip() for line in found["text"].splitlines())
    return f"{found['term']}\n: {words}\n\n"


def code_cell(text: str) -> str:
    r"""Turn text without ticks into code, for a cell of a table.

    Examples
    --------
    >>> code_cell("int | None")
    '`int \\| None`'
    """
    return "`" + text.replace("|", r"\|") + "`"


def cell(text: str) -> str:
    r"""Turn prose into one line, for a cell of a table.

    Examples
    --------
    >>> cell("a | b")
    'a \\| b'
    """
    return " ".join(prose(text).split())


def _escaped(text: str) -> str:
    return _SIGNS.sub(r"\\\1", text)


def _inline(found: re.Match[str]) -> str:
    if found["code"]:
        return code_cell(found["code"])
    if found["role"] == "math":
        # A bar ends a cell of a table even here.
        return "$" + " ".join(found["text"].split()).replace("|", r"\vert ") + "$"
    name = found["text"]
    return f"`{name.removeprefix('~').rsplit('.', 1)[-1]}`"


def _displayed(text: str) -> str:
    """Turn ``.. math::`` blocks into displayed mathematics."""
    lines: list[str] = []
    inside = False
    for line in text.split("\n"):
        if line.strip().startswith(".. math::"):
            inside, rest = True, line.strip().removeprefix(".. math::").strip()
            lines += ["", "$$", *([_unescaped(rest)] if rest else [])]
        elif inside and line.strip() and not line.startswith(" "):
            inside = False
            lines += ["$$", "", line]
        else:
            lines.append(_unescaped(line.strip()) if inside else line)
    return "\n".join([*lines, "$$"] if inside else lines)


def _unescaped(line: str) -> str:
    return re.sub(r"\\([*<|$])", r"\1", line)


def join(parts: Iterable[str]) -> str:
    """Write parts of a page below each other, without those that are empty."""
    return "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


def section(title: str, *parts: str, level: int = 2) -> str:
    """Write a section, or nothing if all its parts are empty."""
    kept = [part for part in parts if part.strip()]
    return join([f"{'#' * level} {title}", *kept]).rstrip("\n") if kept else ""


def anchor_of(title: str) -> str:
    """Anchor that a heading gets.

    Examples
    --------
    >>> anchor_of("Joined for one SAE")
    'joined-for-one-sae'
    """
    # As MyST makes it, whose anchors links have to meet.
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
