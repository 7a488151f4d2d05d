"""Docstrings in numpydoc form, taken apart into sections."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

from saegeom_data.guide.pages.markdown import code, prose

_SECTION = re.compile(r"^(?P<title>[A-Z][A-Za-z ]+)\n-{3,}$", flags=re.MULTILINE)


@dataclass(frozen=True)
class Docstring:
    """A docstring in parts.

    Attributes
    ----------
    summary
        Its first line.
    body
        What stands between the first line and the first section.
    sections
        Text of each section by its title.
    """

    summary: str = ""
    body: str = ""
    sections: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, str]:
        """What is said of each parameter or attribute."""
        return entries(self.sections.get("Parameters", "")) | entries(self.sections.get("Attributes", ""))

    @property
    def examples(self) -> str:
        """Its examples, prose and code, in Markdown."""
        return _examples(self.sections.get("Examples", ""))


def parse(text: str) -> Docstring:
    r"""Take a docstring apart.

    Examples
    --------
    >>> parse("Measure.\n\nMore.\n\nParameters\n----------\na, b\n    Two numbers.\n").parameters
    {'a': 'Two numbers.', 'b': 'Two numbers.'}
    """
    text = inspect.cleandoc(text)
    marks = list(_SECTION.finditer(text))
    ends = [mark.start() for mark in marks] + [len(text)]
    sections = {mark["title"]: text[mark.end() : end].strip("\n") for mark, end in zip(marks, ends[1:], strict=True)}
    head = text[: marks[0].start()] if marks else text
    summary, _, body = head.partition("\n\n")
    return Docstring(" ".join(summary.split()), body.strip("\n"), sections)


def of(documented: object) -> Docstring:
    """Take the docstring of a function, class or module apart; a mere value has none of its own."""
    if not (callable(documented) or inspect.ismodule(documented)):
        return Docstring()
    return parse(inspect.getdoc(documented) or "")


def entries(text: str) -> dict[str, str]:
    """Entries of a section such as Parameters: names that stand at the left, each with the text below it."""
    found: dict[str, str] = {}
    for part in re.split(r"\n(?=\S)", text):
        names, _, words = part.partition("\n")
        for name in names.partition(":")[0].split(","):
            if name.strip():
                found[name.strip().lstrip("*")] = textwrap.dedent(words).strip()
    return found


def _examples(text: str) -> str:
    """Prose and sessions of an interpreter, each as Markdown has them."""
    parts: list[str] = []
    for part in re.split(r"\n{2,}", text.strip("\n")):
        is_code = part.lstrip().startswith(">>>")
        parts.append(code(textwrap.dedent(part), "pycon") if is_code else prose(part))
    return "\n\n".join(parts)
