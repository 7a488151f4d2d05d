"""Names in text that have a page or an entry somewhere, as links there: metrics, commands, errors, public names."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_COMMAND = re.compile(r"saegeom ((?:new )?[a-z]+)(?: .*)?")


def link_names(app: Any, doctree: Any, page: str) -> None:
    """Make a link of each name in text that another page explains."""
    from docutils import nodes

    commands = _commands(app.srcdir)
    # As a list, since the tree changes while it is walked.
    for literal in list(doctree.findall(nodes.literal)):
        if _is_taken(literal):
            continue
        target, anchor = _place(literal.astext(), commands)
        if not target or target == page or target not in app.env.found_docs:
            continue
        uri = app.builder.get_relative_uri(page, target) + (f"#{anchor}" if anchor else "")
        link = nodes.reference("", "", internal=True, refuri=uri, classes=["named"])
        literal.replace_self(link)
        link.append(literal)


def _is_taken(literal: Any) -> bool:
    """Whether a name stands in a heading or in a link already."""
    from docutils import nodes

    parent = literal.parent
    while parent is not None:
        if isinstance(parent, nodes.reference | nodes.title | nodes.term):
            return True
        parent = parent.parent
    return False


def _place(name: str, commands: frozenset[str]) -> tuple[str, str]:
    """Page and anchor of a name; empty for what has none."""
    if name in _names():
        return _names()[name]
    command = _COMMAND.fullmatch(name)
    if command and command[1] in commands:
        return "commands", f"saegeom-{command[1].replace(' ', '-')}"
    return "", ""


@functools.cache
def _names() -> Mapping[str, tuple[str, str]]:
    from saegeom_data import errors
    from saegeom_data.declare.registry import list_metrics
    from saegeom_data.guide.pages.api import MODULES, anchors, public_names

    found: dict[str, tuple[str, str]] = {}
    for module in MODULES:
        found[module] = (f"api/{module}", "")
        for name, anchor in anchors(module).items():
            place = (f"api/{module}", anchor)
            found[f"{module}.{name}"] = place
            # Words such as `open` and `plan` mean much else where they stand alone.
            if "_" in name or name != name.lower():
                found.setdefault(name, place)
    for name in public_names("saegeom_data.errors"):
        if isinstance(getattr(errors, name), type):
            found[name] = ("errors", name.lower())
    # Names of metrics win: their pages say more.
    return found | {name: (name, "") for name in list_metrics() if "_" in name or name == "isotropy"}


@functools.cache
def _commands(folder: str) -> frozenset[str]:
    """Commands that have a heading on the page of all commands."""
    page = Path(folder) / "commands.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    return frozenset(re.findall(r"^## saegeom (.+)$", text, flags=re.MULTILINE))
