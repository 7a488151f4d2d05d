"""Specs: strict YAML, checked against a model, with every problem reported at once with file, line and key."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from saegeom_data.errors import Problem, SpecError, UnknownNameError, expectation, suggest
from saegeom_data.spec import strict_yaml
from saegeom_data.spec.strict_yaml import Source

if TYPE_CHECKING:
    import yaml

# A spec is written by hand; what is larger is another file, and slow to parse as YAML.
LARGEST = 2**20
MISSING_KEY = "missing key; add it"

Model = TypeVar("Model", bound=BaseModel)


class StrictModel(BaseModel):
    """Base of every spec model: unknown keys and silent conversions are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    _source: Source = PrivateAttr(default_factory=Source)

    @property
    def source(self) -> Source:
        """Where it was read from, for messages."""
        return self._source


def _root(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("expected the root hash of a manifest, 64 hexadecimal digits")
    return text


Root = Annotated[str, AfterValidator(_root)]


class MetricRun(StrictModel):
    """One metric of a run.

    Attributes
    ----------
    metric
        Registered name of the metric.
    name
        Name of its group in the results; the metric's own if not given.
    parameters
        Keyword parameters.
    saes
        ``"all"``, ``"middle"`` (the SAE in the middle of the store's order), or a list of names; for metrics of word
        pairs, of sites.
    """

    metric: str
    name: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)
    saes: Literal["all", "middle"] | list[str] = "all"

    @property
    def group(self) -> str:
        """Name of the group in the results."""
        return self.name or self.metric


class OccurrenceSettings(StrictModel):
    """How occurrence is derived from codes; see :func:`saegeom_data.occurrence_from_codes`.

    Attributes
    ----------
    threshold
        Activation above which a feature fires.
    block_length
        Tokens of a block, special ones not counted.
    partial_blocks
        What becomes of the last block of a sequence if it is shorter.
    max_blocks_per_document
        How many blocks of a document are kept; all by default.

    Examples
    --------
    >>> OccurrenceSettings(threshold=1, max_blocks_per_document=3).block_length
    256
    """

    threshold: Annotated[float, Field(ge=0)] = 0.0
    block_length: Annotated[int, Field(ge=1)] = 256
    partial_blocks: Literal["drop", "keep"] = "drop"
    max_blocks_per_document: Annotated[int, Field(ge=1)] | None = None


class Measurements(StrictModel):
    """Which metrics to evaluate, with which parameters.

    Attributes
    ----------
    metrics
        The metrics, each with its parameters.
    occurrence
        How occurrence is derived from the codes of each SAE. By default the stored one is taken, or, where an SAE has
        codes but no occurrence, one derived by the default settings.
    """

    metrics: Annotated[list[MetricRun], Field(min_length=1)]
    occurrence: OccurrenceSettings | None = None


class RunSpec(Measurements):
    """A run: what to measure, under a title.

    Attributes
    ----------
    title, description
        What the run is, for readers.
    draws
        ``"as_given"``: null models are drawn from as often as the parameters say. ``"until_decided"``: where p is so
        near the floor of its draws, or the bound, that it cannot tell, drawing goes on for that SAE or site.
    """

    spec_version: Literal[1]
    kind: Literal["run"]
    title: str
    description: str = ""
    draws: Literal["as_given", "until_decided"] = "as_given"


def load_spec(path: str | os.PathLike[str], model: type[Model]) -> Model:
    """Read a YAML file into a model.

    Parameters
    ----------
    path
        The file.
    model
        Pydantic model that says what the file may hold.

    Raises
    ------
    SpecError
        If the file cannot be read or parsed, has a duplicate or unknown key, or a value of the wrong type; carries all
        problems, each with file, line and key path.
    """
    return parse_spec(read_text(path), model, str(path))


def parse_spec(text: str, model: type[Model], where: str = "spec") -> Model:
    r"""Read YAML text into a model; as :func:`load_spec`.

    Examples
    --------
    >>> text = "spec_version: 1\nkind: run\ntitle: Slopes\nmetrics:\n- metric: eigenvalue_slope\n"
    >>> parse_spec(text, RunSpec).metrics[0].group
    'eigenvalue_slope'
    """
    node, value, problems = strict_yaml.read(text, where)
    return modelled(node, value, problems, model, where)


def shipped_specs(kind: str) -> dict[str, Path]:
    """Specs that come with the package: ``kind`` is ``"runs"``, ``"datasets"`` or ``"benchmarks"``."""
    folder = Path(str(files("saegeom_data") / "specs" / kind))
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def find_spec(name: str, kind: str) -> Path:
    """Path of a spec given by file path or by the name of a shipped one.

    Raises
    ------
    UnknownNameError
        If it is neither.
    """
    shipped = shipped_specs(kind)
    # A shipped name goes before a file of the same name: it means the same in every folder.
    if name in shipped:
        return shipped[name]
    if Path(name).suffix in {".yaml", ".yml"} or Path(name).is_file():
        return Path(name)
    raise UnknownNameError(f"{kind.removesuffix('s')} spec", name, shipped)


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a spec as UTF-8 text, or say in one line why it cannot be."""
    try:
        with open(path, "rb") as stream:
            # One byte past the limit tells that a file is too large, however large it is.
            content = stream.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise SpecError([Problem(str(path), f"larger than {LARGEST} bytes, so it is no spec; check the path")])
        return content.decode("utf-8")
    except OSError as error:
        raise SpecError([Problem(str(path), f"cannot be read: {error.strerror}; check the path")]) from error
    except UnicodeDecodeError as error:
        message = f"not UTF-8 text (byte {error.start}); save it as UTF-8 or check the path"
        raise SpecError([Problem(str(path), message)]) from error


def modelled(
    node: yaml.Node | None, value: Mapping[str, Any], problems: list[Problem], model: type[Model], where: str
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

    Raises
    ------
    SpecError
        With ``problems`` and all that the model finds.
    """
    source = Source(where, node)
    try:
        spec = model.model_validate(value)
    except ValidationError as error:
        raise SpecError([*problems, *_model_problems(error.errors(), model, source)]) from error
    if problems:
        raise SpecError(problems)
    if isinstance(spec, StrictModel):
        spec._source = source
    return spec


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
