"""The run that a user asks for: a spec by path or name, or a metric by name, with parameters changed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from saegeom_data.declare.registry import get_metric, list_metrics
from saegeom_data.engine.check_run import check_run, firing_problem
from saegeom_data.errors import ParameterError, UnknownNameError
from saegeom_data.remote.address import is_elsewhere
from saegeom_data.spec.models import MetricRun, RunSpec, find_spec, is_spec_file, load_spec, shipped_specs
from saegeom_data.spec.name_and_value import name_and_value


def asked_run(name: str, settings: Sequence[str] = (), *, firing: bool = False) -> RunSpec:
    """Return a run.

    Parameters
    ----------
    name
        Path of a run spec, the name of one that comes with the package, or the name of a metric, which is then run
        alone.
    settings
        ``NAME=VALUE`` for parameters, with values as in YAML and lists also as ``2,3``. Where the run has several
        results, ``RESULT.NAME=VALUE``.
    firing
        Whether metrics of decoder rows measure only those of features that fire: ``features: firing`` in a spec.

    Raises
    ------
    UnknownNameError
        If nothing has that name, or the run no such result.
    SpecError
        If the file cannot be read.
    ParameterError
        If a setting is not of that form or no parameter of its metric, or no metric of the run could measure fewer
        decoder rows.

    Examples
    --------
    >>> asked_run("lobes", ["n_lobes=2,3"]).metrics[0].parameters
    {'n_lobes': [2, 3]}
    """
    run = _run(name)
    changed: dict[str, dict[str, Any]] = {}
    for text in settings:
        group, parameter, value = _setting(text, run)
        changed.setdefault(group, {})[parameter] = value
    metrics = [
        measured.model_copy(update={"parameters": measured.parameters | changed.get(measured.group, {})})
        for measured in run.metrics
    ]
    problems = [
        problem
        for measured in metrics
        if measured.group in changed
        for problem in _problems(measured, changed[measured.group])
    ]
    if problems:
        raise ParameterError(*problems)
    return run.model_copy(update={"metrics": _of_firing(metrics) if firing else metrics})


def _problems(measured: MetricRun, changed: Mapping[str, Any]) -> list[str]:
    """What is wrong with the parameters of a metric that were changed, in the words of the command line."""
    return [
        f"--set {problem.where}: {measured.group}: {problem.message}"
        for problem in get_metric(measured.metric).parameter_problems(measured.parameters)
        # What the spec itself says is checked when it is loaded, in the words of its file.
        if problem.where in changed
    ]


def _of_firing(metrics: Sequence[MetricRun]) -> list[MetricRun]:
    """The metrics, those of decoder rows with rows of features that fire alone."""
    problems = [firing_problem(get_metric(measured.metric)) for measured in metrics]
    # One that can suffices: in a mixed run the others measure what they always do.
    if all(problems):
        raise ParameterError(*(f"--firing: {problem}" for problem in problems))
    return [
        measured if problem else measured.model_copy(update={"features": "firing"})
        for measured, problem in zip(metrics, problems, strict=True)
    ]


def _run(name: str) -> RunSpec:
    runs, metrics = shipped_specs("runs"), list_metrics()
    if name not in runs and name in metrics:
        return RunSpec(spec_version=1, kind="run", title=name, metrics=[MetricRun(metric=name)])
    is_store = Path(name).is_dir() or is_elsewhere(name) or name.endswith(".zip")
    if name in runs or is_spec_file(name) or (Path(name).is_file() and not is_store):
        return load_spec(find_spec(name, "runs"), RunSpec, check_run)
    if is_store:
        what = "folder" if Path(name).is_dir() else "store"
        raise ParameterError(f"{name}: got a {what}, expected a run spec or a metric; a store is given by --data")
    raise UnknownNameError("run spec or metric", name, {*runs, *metrics})


def _setting(text: str, run: RunSpec) -> tuple[str, str, Any]:
    """Result, parameter and value of one setting."""
    place, value = name_and_value(text, "--set", "NAME=VALUE, or RESULT.NAME=VALUE")
    groups = [measured.group for measured in run.metrics]
    group, dot, parameter = place.rpartition(".")
    if not dot and len(groups) > 1:
        taking = [found.group for found in run.metrics if place in get_metric(found.metric).parameters]
        if not taking:
            known = {name for found in run.metrics for name in get_metric(found.metric).parameters}
            raise UnknownNameError("parameter of the run's metrics", place, known)
        raise ParameterError(
            f"--set: got {text!r} for a run of {len(groups)} results; say of which: "
            f"{', '.join(f'{name}.{place}=' for name in taking)}"
        )
    group = group or groups[0]
    if group not in groups:
        raise UnknownNameError("result of the run", group, groups)
    return group, parameter, _value(value, text)


def _value(value: str, text: str) -> Any:
    import yaml

    try:
        # A list without brackets, as people write it in a shell; one of text with commas is put into quotes.
        return yaml.safe_load(f"[{value}]" if "," in value and value[:1] not in "['\"{" else value)
    except yaml.YAMLError as error:
        raise ParameterError(f"--set: got {text!r}, whose value is no YAML; put it into quotes") from error


def as_run(run: RunSpec | str | os.PathLike[str]) -> RunSpec:
    """A run as it is, or the one that a path or name stands for.

    Raises
    ------
    ParameterError
        If it is neither.
    """
    if isinstance(run, RunSpec):
        return run
    if isinstance(run, str | os.PathLike):
        return asked_run(os.fspath(run))
    raise ParameterError(
        f"run: got {type(run).__name__}, expected a RunSpec, its path, or the name of a shipped one or of a metric"
    )
