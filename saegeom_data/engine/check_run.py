"""Check a run spec against the declarations of its metrics, before anything is read."""

from __future__ import annotations

import re

from saegeom_data.data import group_kinds, schema
from saegeom_data.declare.metric import Metric
from saegeom_data.errors import Problem, SpecError, UnknownNameError
from saegeom_data.spec.models import Measurements, RunSpec
from saegeom_data.spec.strict_yaml import Source

_GROUP = re.compile(r"[A-Za-z0-9_]+")


def check_run(spec: RunSpec, where: str = "run") -> None:
    """Raise :class:`SpecError` for metrics that are not registered, parameters they do not take and duplicate names."""
    problems = measurement_problems(spec, spec.source if spec.source.where else Source(where))
    if problems:
        raise SpecError(problems)


def measurement_problems(spec: Measurements, source: Source, within: tuple[str, ...] = ()) -> list[Problem]:
    """Find metrics that are not registered, parameters they do not take and duplicate names.

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
    for index, measured in enumerate(spec.metrics):
        at: tuple[str | int, ...] = (*within, "metrics", index)
        named = (*at, "name" if measured.name else "metric")
        if measured.group in groups:
            problems.append(source.problem(named, f"{measured.group!r} is a duplicate; give one of them another name"))
        groups.add(measured.group)
        if not _GROUP.fullmatch(measured.group):
            problems.append(source.problem(named, f"got {measured.group!r}, expected letters, digits and underscores"))
        # Results and datasets are told apart by the names of their groups.
        elif group_kinds.kind_of(measured.group) is not None:
            problems.append(source.problem(named, f"{measured.group!r} is a group of datasets; give it another name"))
        try:
            metric = get_metric(measured.metric)
        except UnknownNameError as error:
            problems.append(source.problem((*at, "metric"), error.reason))
            continue
        for found in metric.parameter_problems(measured.parameters):
            problems.append(source.problem((*at, "parameters", found.where), found.message))
        if measured.features == "firing" and (problem := firing_problem(metric)):
            problems.append(source.problem((*at, "features"), problem))
    return problems


def firing_problem(metric: Metric) -> str:
    """Why a metric cannot be asked to measure the features that fire alone; empty if it can."""
    read = {variable.name for variable in (*metric.inputs, *metric.optional)}
    if schema.decoder.name not in read:
        return f"{metric.name} reads no decoder rows, of which some could be left out; leave it out"
    if schema.occurrence.name in read:
        return f"{metric.name} reads which features fire, and leaves out by itself those that do not; leave it out"
    return ""
