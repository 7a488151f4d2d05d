"""The reference of Python: every public name, from its signature and docstring."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import suppress
from doctest import DocTestParser
from importlib import import_module

from saegeom_data import errors
from saegeom_data.guide.pages import docstrings
from saegeom_data.guide.pages.markdown import anchor_of, cell, code, code_cell, join, prose, section, table

# Modules whose ``__all__`` is public, and what each is for.
MODULES = {
    "saegeom_data": "What most users need.",
    "saegeom_data.atlas": "Features on a map, in a notebook.",
    "saegeom_data.declare": "Declarations of metrics, for authors of metrics.",
    "saegeom_data.declare.presentation": "How results of a metric are shown.",
    "saegeom_data.lazy": "The ways in which a metric touches data.",
    "saegeom_data.testing": "Simulators with planted structure, and checks for metrics.",
    "saegeom_data.errors": "What this package raises; the page of errors says what to do about each.",
}
_INTRODUCTION = """\
Every public name, by module. What is not here may change in any release. `help(NAME)` says the same, and metrics have
[pages of their own](metrics.md).

```python
import saegeom_data

tree = saegeom_data.open(saegeom_data.sample_path())
sae = saegeom_data.select_sae(tree, "layer_3")
result = saegeom_data.get_metric("isotropy")(sae).compute()
```"""
_ANNOTATED = re.compile(r"Annotated\[(\w+(?:\[[^\]]*\])?), .*?\)\]")
# Examples of functions that need torch are passed over where it is not installed; readers have it.
_WITHOUT_TORCH = ('>>> import pytest\n>>> torch = pytest.importorskip("torch")\n', ">>> import torch\n")
_LONGEST_SIGNATURE = 96
# Defaults that are no source; the address of a function is another one each time.
_NOT_SOURCE = re.compile(r"<factory>|<function .+? at 0x[0-9a-f]+>")


def api_page() -> str:
    """Write the page that lists all public names, with a link to what is said of each."""
    return join(["# Python", _INTRODUCTION, *(_listed(name, words) for name, words in MODULES.items())])


def module_page(module: str) -> str:
    """Write the page of the public names of one module."""
    return join([f"# {module}", MODULES[module], *(_entry(module, name) for name in public_names(module))])


def anchors(module: str) -> dict[str, str]:
    """Anchor of each public name on the page of its module; names that differ in capitals alone are numbered.

    Examples
    --------
    >>> found = anchors("saegeom_data.declare")
    >>> found["Metric"], found["metric"]
    ('metric', 'metric-1')
    """
    found: dict[str, str] = {}
    for name in public_names(module):
        anchor = anchor_of(name)
        count = sum(anchor_of(other) == anchor for other in found)
        found[name] = f"{anchor}-{count}" if count else anchor
    return found


def _listed(module: str, words: str) -> str:
    found = import_module(module)
    links = {name: f"[`{name}`](api/{module}.md#{anchor})" for name, anchor in anchors(module).items()}
    lines = [(link, cell(docstrings.of(getattr(found, name)).summary)) for name, link in links.items()]
    return section(module, words, table(("name", "what it is"), lines))


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


def _entry(module: str, name: str) -> str:
    value = getattr(import_module(module), name)
    said = docstrings.of(value)
    return section(
        name,
        code(f"{name}{_signature(value)}") if callable(value) else "",
        prose(said.summary),
        prose(said.body),
        "" if callable(value) or inspect.ismodule(value) else f"`{value!r}`",
        table(("parameter", "type", "meaning"), _parameters(value, said)),
        *_rest(said),
        _session(module, name, said),
    )


def _session(module: str, name: str, said: docstrings.Docstring) -> str:
    """Examples, with the names that the module of the docstring has and a page has not."""
    known = vars(import_module(getattr(getattr(import_module(module), name), "__module__", module)))
    lines = [f">>> from {module} import {name}"]
    for other in sorted(_free_names(said.examples) & set(known) - {name}):
        value = known[other]
        source = f"import {value.__name__} as" if inspect.ismodule(value) else f"from {known['__name__']} import"
        lines.append(f">>> {source} {other}")
    examples = said.examples.replace(*_WITHOUT_TORCH)
    return examples.replace("```pycon\n", "\n".join(["```pycon", *lines, ""]), 1)


def _free_names(examples: str) -> set[str]:
    """Names that examples read and do not make themselves."""
    sessions = "\n".join(re.findall(r"```pycon\n(.*?)```", examples, flags=re.DOTALL))
    tree = ast.parse("".join(example.source for example in DocTestParser().get_examples(sessions)))
    named = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    made = {node.id for node in named if not isinstance(node.ctx, ast.Load)}
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    made |= {(alias.asname or alias.name).partition(".")[0] for node in imports for alias in node.names}
    return {node.id for node in named} - made


def _signature(value: object) -> str:
    """Parameters with defaults; annotations are said of each in words."""
    try:
        found = inspect.signature(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "(...)"
    bare = [parameter.replace(annotation=parameter.empty) for parameter in found.parameters.values()]
    text = str(found.replace(parameters=bare, return_annotation=found.empty))
    text = _NOT_SOURCE.sub("...", text)
    if len(text) <= _LONGEST_SIGNATURE:
        return text
    return _NOT_SOURCE.sub("...", "(\n" + "".join(f"    {part},\n" for part in _parts(bare)) + ")")


def _parts(parameters: Iterable[inspect.Parameter]) -> Iterator[str]:
    """Parameters one by one, with the star that parts those that are given by name."""
    is_by_name = False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not is_by_name:
            yield "*"
        is_by_name = is_by_name or parameter.kind in {parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL}
        yield str(parameter)


def _parameters(value: object, said: docstrings.Docstring) -> list[tuple[str, str, str]]:
    types = _types(value)
    return [(f"`{name}`", types.get(name, ""), cell(words)) for name, words in said.parameters.items()]


def _types(value: object) -> dict[str, str]:
    """Annotation of each parameter, and of each attribute of a class, as the source has it."""
    found: dict[str, object] = {}
    with suppress(TypeError, ValueError):
        found |= {name: each.annotation for name, each in inspect.signature(value).parameters.items()}  # type: ignore[arg-type]
    # Bases first, so that what a class says of an attribute itself replaces what they say.
    for part in reversed(value.__mro__) if inspect.isclass(value) else ():
        found |= vars(part).get("__annotations__", {})
    # What holds for the values of a type is said in words.
    plain = {name: _ANNOTATED.sub(r"\1", each) for name, each in found.items() if isinstance(each, str)}
    return {name: code_cell(each) for name, each in plain.items()}


def _rest(said: docstrings.Docstring) -> Iterator[str]:
    for title in ("Returns", "Yields"):
        # A type may hold commas and colons, so that its line is taken as it is.
        kind, _, words = said.sections.get(title, "").partition("\n")
        if kind:
            yield f"**{title}** `{kind}`{_said(textwrap.dedent(words))}"
    raised = docstrings.entries(said.sections.get("Raises", ""))
    if raised:
        yield "\n".join(["**Raises**", "", *(f"- {_error(name)}{_said(words)}" for name, words in raised.items())])
    yield prose(said.sections.get("Notes", ""))


def _error(name: str) -> str:
    return f"[`{name}`](../errors.md#{name.lower()})" if hasattr(errors, name) else f"`{name}`"


def _said(words: str) -> str:
    return f": {cell(words)}" if words else ""
