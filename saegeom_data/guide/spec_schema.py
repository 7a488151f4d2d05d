"""Specs for machines: the JSON Schema of each kind, for editors that complete and check YAML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from saegeom_data.errors import UnknownNameError
from saegeom_data.guide.pages import docstrings

KINDS = ("run", "dataset", "benchmark", "catalogue")


def spec_model(kind: str) -> type[BaseModel]:
    """Model of a kind of spec.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    """
    from saegeom_data.harvest.recipe import Recipe
    from saegeom_data.share.benchmark.models import Benchmark
    from saegeom_data.share.catalogue import Catalogue
    from saegeom_data.spec.models import RunSpec

    models: dict[str, type[BaseModel]] = dict(zip(KINDS, (RunSpec, Recipe, Benchmark, Catalogue), strict=True))
    if kind not in models:
        raise UnknownNameError("kind of spec", kind, models)
    return models[kind]


def models_of(model: type[BaseModel]) -> list[type[BaseModel]]:
    """A model and all models inside it, each once, in the order of their keys.

    Examples
    --------
    >>> [part.__name__ for part in models_of(spec_model("run"))]
    ['RunSpec', 'MetricRun', 'OccurrenceSettings']
    """
    found = [model]
    # The list grows while it is walked, so that models inside models are found too.
    for part in found:
        for field in part.model_fields.values():
            found += [inner for inner in inner_models(field.annotation) if inner not in found]
    return found


def inner_models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Models inside an annotation, those in lists and unions too."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from inner_models(argument)


def key_meanings(model: type[BaseModel]) -> dict[str, str]:
    """What each key of a model means, from its docstring and those of the models that it extends."""
    found: dict[str, str] = {
        "spec_version": "Version of this form of spec.",
        "kind": "What the spec is of.",
        "title": "What it is called, for readers.",
        "description": "What it is, for readers.",
    }
    for part in reversed(model.__mro__):
        if issubclass(part, BaseModel):
            found |= docstrings.of(part).parameters
    return {name: " ".join(found.get(name, "").split()) for name in model.model_fields}


def spec_schema(kind: str) -> dict[str, Any]:
    """JSON Schema of a kind of spec, in which every key says what it means.

    Examples
    --------
    >>> spec_schema("run")["properties"]["metrics"]["description"]
    'The metrics, each with its parameters.'
    """
    model = spec_model(kind)
    found = model.model_json_schema()
    found = {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}
    for part in models_of(model):
        place = found if part is model else found.get("$defs", {}).get(part.__name__, {})
        place["description"] = docstrings.of(part).summary
        for name, meaning in key_meanings(part).items():
            if name in place.get("properties", {}) and meaning:
                place["properties"][name]["description"] = meaning
    return found
