"""Specs: strict YAML, checked against a model, with every problem reported at once with file, line and key."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from saegeom_data.errors import ParameterError, Problem, SpecError, UnknownNameError, suggest

if TYPE_CHECKING:
    import yaml

SPEC_VERSION = 1

Model = TypeVar("Model", bound=BaseModel)


class StrictModel(BaseModel):
    """Base of every spec model: unknown keys and silent conversions are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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


class RunSpec(StrictModel):
    """Which metrics to evaluate, with which parameters."""

    spec_version: Literal[1]
    kind: Literal["run"]
    title: str
    description: str = ""
    metrics: Annotated[list[MetricRun], Field(min_length=1)]


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
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError([Problem(str(file), f"cannot be read: {error}; check the path")]) from error
    return parse_spec(text, model, str(file))


def parse_spec(text: str, model: type[Model], where: str = "spec") -> Model:
    """Read YAML text into a model; as :func:`load_spec`.

    Examples
    --------
    >>> text = "spec_version: 1\\nkind: run\\ntitle: one\\nmetrics:\\n- metric: eigenvalue_slope\\n"
    >>> parse_spec(text, RunSpec).metrics[0].group
    'eigenvalue_slope'
    """
    import yaml

    try:
        node = yaml.compose(text, Loader=_loader())
        duplicates = list(_duplicates(node, where)) if node is not None else []
        value = _loader()(text).get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpecError([Problem(where, f"not plain YAML: {_yaml_reason(error)}")]) from error
    problems = list(duplicates)
    try:
        spec = model.model_validate(value if value is not None else {})
    except ValidationError as error:
        problems += [_problem(detail, node, model, where) for detail in error.errors()]
    if problems:
        raise SpecError(problems)
    return spec


def check_run(spec: RunSpec, where: str = "run") -> None:
    """Raise :class:`SpecError` for metrics that are not registered, parameters they do not take and doubled names."""
    from saegeom_data.declare import get_metric

    problems = []
    groups: set[str] = set()
    for index, one in enumerate(spec.metrics):
        key = f"{where}: metrics[{index}]"
        if one.group in groups:
            problems.append(Problem(f"{key}.name", f"{one.group!r} stands twice; give one of them another name"))
        groups.add(one.group)
        if not one.group.replace("_", "").isalnum():
            problems.append(Problem(f"{key}.name", f"got {one.group!r}, expected letters, digits and underscores"))
        try:
            get_metric(one.metric).check_parameters(one.parameters)
        except UnknownNameError as error:
            problems.append(Problem(f"{key}.metric", str(error)))
        except ParameterError as error:
            problems.extend(Problem(f"{key}.parameters", line) for line in str(error).splitlines())
    if problems:
        raise SpecError(problems)


def check_spec_file(path: str | os.PathLike[str]) -> None:
    """Raise :class:`SpecError` with all problems of a spec file of any kind; its ``kind`` key says which."""

    class Header(BaseModel):
        kind: Literal["run", "dataset"]

    kind = load_spec(path, Header).kind
    if kind == "run":
        check_run(load_spec(path, RunSpec), str(path))
    else:
        from saegeom_data.harvest import Recipe

        load_spec(path, Recipe)


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
    if name in shipped:
        return shipped[name]
    if Path(name).suffix in {".yaml", ".yml"} or Path(name).is_file():
        return Path(name)
    raise UnknownNameError(f"{kind.removesuffix('s')} spec", name, shipped)


@functools.cache
def _loader() -> type[yaml.SafeLoader]:
    """A safe loader that also reads ``1e-3`` as a float, as YAML 1.2 does."""
    import re

    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _PLAIN_TAGS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    pattern = re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", pattern, list("-+.0123456789"))
    return Loader


# Dates and merge keys are left out: a spec has neither, and both turn plain text into something else.
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "null")}


def _duplicates(node: yaml.Node, where: str, path: str = "") -> Iterator[Problem]:
    import yaml

    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen:
                message = f"duplicate key, first on line {seen[name]}; remove one"
                yield Problem(f"{where}:{line}: {path}{name}", message)
            seen[name] = line
            yield from _duplicates(value, where, f"{path}{name}.")
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _duplicates(item, where, f"{path.removesuffix('.')}[{index}].")


def _problem(detail: Mapping[str, Any], node: yaml.Node | None, model: type[BaseModel], where: str) -> Problem:
    location = [part for part in detail["loc"] if not _is_union_tag(part, detail["loc"], node)]
    line = _line(node, location)
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    place = f"{where}:{line}: {key}" if key else f"{where}:{line}"
    if detail["type"] == "extra_forbidden":
        known = _keys(model, location[:-1])
        return Problem(place, f"unknown key{suggest(str(location[-1]), known)}; known: {', '.join(known)}")
    if detail["type"] == "missing":
        return Problem(place, "missing key; add it")
    return Problem(place, f"got {detail['input']!r}: {detail['msg']}")


def _is_union_tag(part: Any, location: tuple[Any, ...], node: yaml.Node | None) -> bool:
    """Pydantic names the branch of a union in a location; no such key stands in the file."""
    return isinstance(part, str) and ("[" in part or part in {"str", "int", "float", "bool"})


def _line(node: yaml.Node | None, location: list[Any]) -> int:
    import yaml

    line = node.start_mark.line + 1 if node is not None else 1
    for part in location:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        elif isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                break
            line, node = found[-1][0].start_mark.line + 1, found[-1][1]
            continue
        else:
            break
        line = node.start_mark.line + 1
    return line


def _keys(model: type[BaseModel], location: list[Any]) -> list[str]:
    """Keys that the model at a location has, found by walking its annotations."""
    current: Any = model
    for part in location:
        if isinstance(part, int):
            continue
        fields = getattr(current, "model_fields", {})
        if part not in fields:
            return []
        current = next(iter(_models(fields[part].annotation)), None)
    return sorted(getattr(current, "model_fields", {}))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _yaml_reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"line {mark.line + 1}: {problem}" if mark is not None else str(problem)
