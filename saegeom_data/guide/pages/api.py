"""The reference of Python: every public name, from its signature and docstring."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module

from saegeom_data.guide.pages import docstrings
from saegeom_data.guide.pages.markdown import cell, code, join, prose, section, table

# Modules whose ``__all__`` is public, and what each is for.
MODULES = {
    "saegeom_data": "What most users need.",
    "saegeom_data.atlas": "Features on a map, in a notebook.",
    "saegeom_data.declare": "Declarations of metrics, for authors of metrics.",
    "saegeom_data.declare.presentation": "How results of a metric are shown.",
    "saegeom_data.lazy": "The ways in which a metric touches data.",
    "saegeom_data.testing": "Simulators with planted structure, and checks for metrics.",
    "saegeom_data.errors": "What this package raises; [errors](errors.md) says what to do about each.",
}


def api_page() -> str:
    """Write the page of all public names."""
    head = "Every public name, by module. What is not here may change in any release."
    return join(["# Python", head, *(_module(name, words) for name, words in MODULES.items())])


def public_names(module: str) -> list[str]:
    """Public names of a module: those it lists, or else the classes and functions that are its own."""
    found = import_module(module)
    listed = getattr(found, "__all__", None)
    if listed is not None:
        return [name for name in listed if not name.startswith("__")]
    own = [
        name
        for name, value in vars(found).items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module
    ]
    return sorted(name for name in own if not name.startswith("_"))


def _module(module: str, words: str) -> str:
    return join([section(module, words), *(_entry(module, name) for name in public_names(module))])


def _entry(module: str, name: str) -> str:
    value = getattr(import_module(module), name)
    said = docstrings.of(value)
    return section(
        f"{module}.{name}",
        code(f"{name}{_signature(value)}") if callable(value) else "",
        prose(said.summary),
        prose(said.body),
        "" if callable(value) or inspect.ismodule(value) else f"`{value!r}`",
        table(("parameter", "meaning"), _lines(said.parameters)),
        *_rest(said),
        said.examples,
        level=3,
    )


def _signature(value: object) -> str:
    """Parameters with defaults; annotations are said of each in words."""
    try:
        found = inspect.signature(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "(...)"
    bare = [parameter.replace(annotation=parameter.empty) for parameter in found.parameters.values()]
    return str(found.replace(parameters=bare, return_annotation=found.empty))


def _lines(entries: dict[str, str]) -> list[tuple[str, str]]:
    return [(f"`{name}`", cell(words)) for name, words in entries.items()]


def _rest(said: docstrings.Docstring) -> Iterator[str]:
    for title in ("Returns", "Yields", "Raises"):
        if text := said.sections.get(title):
            yield table((title.lower(), ""), _lines(docstrings.entries(text)))
    yield prose(said.sections.get("Notes", ""))
