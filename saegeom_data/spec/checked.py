"""Plain data checked against a model: every problem of a spec at once, with file, line and key."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError, ValidationInfo, model_validator

from saegeom_data.errors import Problem, SpecError, expectation, suggest
from saegeom_data.spec.strict_yaml import Source

if TYPE_CHECKING:
    import yaml

MISSING_KEY = "missing key; add it"
_ASKED_LATER = "contradictions are asked for later"

Model = TypeVar("Model", bound=BaseModel)


class StrictModel(BaseModel):
    """Base of every spec model: unknown keys, silent conversions and contradictions are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    _source: Source = PrivateAttr(default_factory=Source)

    def contradictions(self) -> Iterator[str]:
        """Say what of this part of a spec does not go together, each thing by itself; parts add their own."""
        yield from ()

    @model_validator(mode="after")
    def _is_consistent(self, info: ValidationInfo) -> Self:
        # A spec that is read is asked for those of all its parts at once, each told with its line.
        if not (info.context or {}).get(_ASKED_LATER) and (found := [*self.contradictions()]):
            raise ValueError("; ".join(found))
        return self

    @property
    def source(self) -> Source:
        """Where it was read from, for messages."""
        return self._source


def modelled(
    node: yaml.Node | None,
    value: Mapping[str, Any],
    problems: list[Problem],
    model: type[Model],
    where: str,
    check: Callable[[Model], object] | None = None,
) -> Model:
    """Check plain data against a model.

    Parameters
    ----------
    node, value, problems
        What :func:`saegeom_data.spec.strict_yaml.read` returns.
    model
        Pydantic model that says what the data may hold.
    where
        File that the data was read from, for messages.
    check
        What further raises :class:`SpecError` for a model that is whole, such as of names that are not registered.

    Raises
    ------
    SpecError
        With ``problems``, all that the model finds and all that ``check`` does. Behind unknown keys they look too: at
        the data with those keys as they are likely meant.
    """
    source = Source(where, node)
    found = list(problems)
    try:
        spec = _validated(value, model, source)
    except ValidationError as error:
        found += _model_problems(error.errors(), model, source)
        mended = _with_likely_keys(value, error.errors(), model, source)
        try:
            behind = [] if mended is None else _problems_of(_validated(mended, model, source), check, source)
        except ValidationError as further:
            behind = list(_model_problems(further.errors(), model, source))
        raise SpecError([*found, *(problem for problem in behind if problem not in found)]) from error
    found += _problems_of(spec, check, source)
    if found:
        raise SpecError(found)
    return spec


def _validated(value: Mapping[str, Any], model: type[Model], source: Source) -> Model:
    spec = model.model_validate(value, context={_ASKED_LATER: True})
    if isinstance(spec, StrictModel):
        spec._source = source
    return spec


def _problems_of(spec: Model, check: Callable[[Model], object] | None, source: Source) -> list[Problem]:
    """Contradictions of a spec, and what a check has to say of it."""
    found = [source.problem(location, message) for location, message in _contradictions(spec, ())]
    if check is None:
        return found
    try:
        check(spec)
    except SpecError as error:
        return [*found, *error.problems]
    return found


def _contradictions(value: object, location: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What does not go together in any part of a spec, and where."""
    if isinstance(value, StrictModel):
        for message in value.contradictions():
            yield location, message
        for name, part in value:
            yield from _contradictions(part, (*location, name))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _contradictions(part, (*location, index))


def _with_likely_keys(
    value: Mapping[str, Any], details: Sequence[Any], model: type[BaseModel], source: Source
) -> dict[str, Any] | None:
    """The same data with unknown keys under the known name that is nearest, or left out; None without unknown keys."""
    # Models of a union complain of the same key.
    unknown = dict.fromkeys(
        source.location(detail["loc"], missing=False) for detail in details if detail["type"] == "extra_forbidden"
    )
    # Deep, as keys move at any depth, and the data as given must stay.
    mended = copy.deepcopy(dict(value))
    for location in unknown:
        parent: Any = mended
        for part in location[:-1]:
            parent = parent[part]
        held = parent.pop(location[-1])
        near = difflib.get_close_matches(str(location[-1]), _keys(model, location), n=1)
        if near and near[0] not in parent:
            parent[near[0]] = held
    return mended if unknown else None


def _model_problems(details: Sequence[Any], model: type[BaseModel], source: Source) -> Iterator[Problem]:
    """One problem for each place, in words of its own where pydantic's would not help."""
    places: dict[tuple[str | int, ...], list[Any]] = {}
    for detail in details:
        places.setdefault(source.location(detail["loc"], missing=detail["type"] == "missing"), []).append(detail)
    for location, found in places.items():
        deeper = any(len(other) > len(location) and other[: len(location)] == location for other in places)
        if deeper and found[0]["loc"][-1:] != location[-1:]:
            # One branch of a union that does not fit at all; another fits but for what stands deeper.
            continue
        if found[0]["type"] == "extra_forbidden":
            known = _keys(model, location)
            near = suggest(str(location[-1]), known)
            yield source.problem(location, f"unknown key{near}; known: {', '.join(known)}")
        elif found[0]["type"] == "missing":
            yield source.problem(location, MISSING_KEY)
        else:
            yield source.problem(location, expectation(*found))


def _keys(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Keys that stand beside an unknown one, found by walking annotations.

    Of models that may stand there, those that have the key are not the one that is meant.
    """
    current: list[type[BaseModel]] = [model]
    for part in location[:-1]:
        if isinstance(part, str):
            fields = [parent.model_fields[part] for parent in current if part in parent.model_fields]
            current = [found for field in fields for found in _models(field.annotation)]
    return sorted({key for parent in current for key in parent.model_fields if location[-1] not in parent.model_fields})


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models inside an annotation, those in lists and unions too."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
