"""The reference of specs: every key of each kind, from the models that check them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from saegeom_data.guide.pages import docstrings
from saegeom_data.guide.pages.markdown import cell, code_cell, join, prose, section, table
from saegeom_data.guide.pages.spec_examples import EXAMPLES
from saegeom_data.guide.spec_schema import KINDS, inner_models, key_meanings, models_of, spec_model
from saegeom_data.spec.models import shipped_specs

_INTRODUCTION = """\
A spec is a YAML file of at most a megabyte. Keys that are not below are refused, with the nearest that is known; so
is a value of another type: nothing is converted. Every problem is told at once, with file, line and key.

An editor completes and checks keys with the JSON Schema of a kind: write it beside the spec, and name it in the spec's
first line. VS Code reads that line with the extension YAML (`redhat.vscode-yaml`); other editors do with
`yaml-language-server`.

```shell
saegeom new spec run
saegeom describe spec run --json-schema > run.schema.json
```

```yaml
# yaml-language-server: $schema=run.schema.json
```

A model below is a part of a spec: keys of the first stand at the left, and a key whose type is a model holds those of
that."""

_LONGEST = 60
_PLAIN = {str: "text", int: "integer", float: "number", bool: "`true` or `false`", NoneType: "null", Any: "anything"}


def specs_page() -> str:
    """Write the page of all kinds of spec."""
    return join(["# Specs", _INTRODUCTION, *(kind_section(kind) for kind in KINDS)])


def kind_section(kind: str) -> str:
    """Write the reference of one kind of spec."""
    model = spec_model(kind)
    examples = examples_of(kind)
    return section(
        f"{kind[:1].upper()}{kind[1:]} spec",
        prose(docstrings.of(model).summary),
        prose(docstrings.of(model).body),
        *(_model(part, examples, is_first=part is model) for part in models_of(model)),
    )


def _model(model: type[BaseModel], examples: Mapping[tuple[str, str], str], *, is_first: bool) -> str:
    meanings = key_meanings(model)
    lines = [
        (
            f"`{name}`",
            _type(field),
            _default(field),
            cell(meanings[name]),
            code_cell(example) if (example := examples.get((model.__name__, name), "")) else "",
        )
        for name, field in model.model_fields.items()
    ]
    said = docstrings.of(model)
    words = () if is_first else (prose(said.summary), prose(said.body))
    return section(model.__name__, *words, table(("key", "type", "default", "meaning", "example"), lines), level=3)


def _type(field: FieldInfo) -> str:
    """Type of a key, as a reader of YAML would say it."""
    return _words(field.annotation)


def _words(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in {Union, UnionType}:
        return " or ".join(dict.fromkeys(_words(argument) for argument in arguments))
    if origin in {list, tuple}:
        return f"list of {_words(arguments[0])}"
    if origin is dict:
        return f"table of {_words(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return _PLAIN.get(annotation, getattr(annotation, "__name__", "anything"))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = field.default if field.default is not PydanticUndefined else field.default_factory()  # type: ignore[misc, call-arg]
    if isinstance(value, BaseModel):
        return "its defaults"
    return code_cell(_yaml(value)) if value != "" else "empty"


def _yaml(value: Any) -> str:
    # YAML ends a document that is one plain value with three dots, and breaks lines where they are long.
    return yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).removesuffix("...\n").strip()


def examples_of(kind: str) -> dict[tuple[str, str], str]:
    """A value of each key of each model, from the specs that come with the package."""
    found = dict(EXAMPLES)
    for path in shipped_specs(f"{kind}s").values():
        for key, value in _values(spec_model(kind), yaml.safe_load(path.read_text(encoding="utf-8"))):
            # The shortest: a longer one says no more.
            if key not in found or len(value) < len(found[key]):
                found[key] = value
    return {key: value for key, value in found.items() if len(value) <= _LONGEST}


def _values(model: type[BaseModel], given: Any) -> Iterator[tuple[tuple[str, str], str]]:
    """Values of keys of a model and of those inside it."""
    if not isinstance(given, dict):
        return
    for name, value in given.items():
        field = model.model_fields.get(name)
        if field is None:
            continue
        inside = list(dict.fromkeys(inner_models(field.annotation)))
        if not inside:
            yield (model.__name__, name), _yaml(value)
        for part in value if isinstance(value, list) else [value]:
            # Of a union, the model that has all keys of the part.
            fitting = [each for each in inside if isinstance(part, dict) and set(part) <= set(each.model_fields)]
            for each in fitting[:1]:
                yield from _values(each, part)
