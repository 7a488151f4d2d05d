"""Check a run spec against the declarations of its metrics, before anything is read."""

from __future__ import annotations

import re

from saegeom_data.data import schema
from saegeom_data.errors import Problem, SpecError, UnknownNameError
from saegeom_data.spec.models import Measurements, RunSpec
from saegeom_data.spec.strict_yaml import Source

_GROUP = re.compile(r"[A-Za-z0-9_]+")


def check_run(spec: RunSpec, where: str = "run") -> None:
    """Raise :class:`SpecError` for metrics that are not registered, parameters they do not take and doubled names."""
    problems = measurement_problems(spec, spec.source if spec.source.where else Source(where))
    if problems:
        raise SpecError(problems)


def measurement_problems(spec: Measurements, source: Source, within: tuple[str, ...] = ()) -> list[Problem]:
    """Find metrics that are not registered, parameters they do not take and doubled names.

    Parameters
    ----------
    spec
        What is to be measured.
    source
        File that it stands in.
    within
        Keys of that file under which it stands.
    """
    from saegeom_data.declare.registry import get_metric

    problems = []
    groups: set[str] = set()
    for index, one in enumerate(spec.metrics):
        at: tuple[str | int, ...] = (*within, "metrics", index)
        named = (*at, "name" if one.name else "metric")
        if one.group in groups:
            problems.append(source.problem(named, f"{one.group!r} is a duplicate; give one of them another name"))
        groups.add(one.group)
        if not _GROUP.fullmatch(one.group):
            problems.append(source.problem(named, f"got {one.group!r}, expected letters, digits and underscores"))
        elif schema.kind_of(one.group) is not None:
            problems.append(source.problem(named, f"{one.group!r} is a group of datasets; give it another name"))
        try:
            metric = get_metric(one.metric)
        except UnknownNameError as error:
            problems.append(source.problem((*at, "metric"), error.reason))
            continue
        for found in metric.parameter_problems(one.parameters):
            problems.append(source.problem((*at, "parameters", found.where), found.message))
    return problems
