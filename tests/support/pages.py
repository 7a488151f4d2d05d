"""The README, CONTRIBUTING, the changelog and the guide, taken apart: examples, commands, links and headings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "saegeom_data" / "guide"
TUTORIALS = sorted((GUIDE / "tutorials").glob("*.md"))
PAGES = sorted(page for page in GUIDE.rglob("*.md") if page not in TUTORIALS)
DOCUMENTS = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")), *PAGES, *TUTORIALS]
REPOSITORY = "https://github.com/saegeom/saegeom-data"

_FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", flags=re.MULTILINE)
_SHELL = ("", "bash", "{code-cell} bash")


def name_of(document: Path) -> str:
    """Name of a document in the output of tests."""
    return str(document.relative_to(ROOT))


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def blocks(document: Path, *languages: str) -> list[str]:
    """Code of the fenced blocks of these languages, in order."""
    return [code for language, code in _FENCE.findall(text_of(document)) if language.strip() in languages]


def prose(document: Path) -> str:
    """The text of a document without its fenced blocks."""
    return _FENCE.sub("", text_of(document))


def commands(document: Path) -> list[list[str]]:
    """Arguments of each `saegeom` that the document shows, in blocks of the shell and in its prose."""
    lines = [line for code in blocks(document, *_SHELL) for line in code.splitlines()]
    lines += [" ".join(span.split()) for span in re.findall(r"`(saegeom [^`]+)`", prose(document))]
    words = [shlex.split(line, comments=True) for line in lines if line.startswith("saegeom ")]
    return [arguments[1:] for arguments in words]


def links(document: Path) -> Iterator[tuple[str, str]]:
    """File in this repository, "" for the document itself, and anchor of each link that leads to one."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        if target.startswith(f"{REPOSITORY}/blob/main/"):
            file, _, anchor = target.removeprefix(f"{REPOSITORY}/blob/main/").partition("#")
            yield str(ROOT / file), anchor
        elif "://" not in target:
            file, _, anchor = target.partition("#")
            yield str(document.parent / file) if file else "", anchor


def anchors(document: Path) -> set[str]:
    """Anchors of the headings of a document, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(document), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
