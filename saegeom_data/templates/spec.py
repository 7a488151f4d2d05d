"""Specs to begin with: they are valid as they are, and their comments say what else may be chosen."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from importlib.resources import files
from string import Template
from typing import Any

from saegeom_data.declare.registry import get_metric
from saegeom_data.errors import ParameterError, UnknownNameError
from saegeom_data.guide.spec_schema import KINDS
from saegeom_data.sample import sample_path
from saegeom_data.share.benchmark.models import Benchmark
from saegeom_data.share.catalogue import catalogue_entry
from saegeom_data.spec.models import find_spec, load_spec

_WIDTH = 120


def new_spec(kind: str, metrics: Sequence[str] = ()) -> str:
    """Text of a commented spec.

    Parameters
    ----------
    kind
        ``"run"``, ``"dataset"``, ``"benchmark"`` or ``"catalogue"``.
    metrics
        Metrics of a run, each with its parameters at their defaults; ``isotropy`` and ``eigenvalue_slope`` by default.

    Raises
    ------
    UnknownNameError
        If there is no such kind or metric.
    ParameterError
        If metrics are given for another kind than a run, or one twice.

    Examples
    --------
    >>> print(new_spec("run", ["hubness"]).split("metrics:")[1].splitlines()[1])
    - metric: hubness
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of spec", kind, KINDS)
    if metrics and kind != "run":
        raise ParameterError(f"metric: given for a {kind} spec, and only a run spec measures; leave it out")
    text = (files("saegeom_data.templates") / "spec" / f"{kind}.yaml").read_text(encoding="utf-8")
    if kind == "run":
        return Template(text).substitute(metrics=_measured(metrics or ("eigenvalue_slope", "isotropy")))
    if kind == "catalogue":
        return Template(text).substitute(catalogue_entry(sample_path()).model_dump())
    return Template(text).substitute(_expected()) if kind == "benchmark" else text


def _measured(names: Sequence[str]) -> str:
    """Entries of a run, in YAML: each with what may be chosen of it as comments."""
    if len(set(names)) < len(names):
        raise ParameterError(f"metric: {', '.join(names)} names one of them twice; leave one out")
    return "\n".join(_entry(name) for name in names)


def _entry(name: str) -> str:
    metric = get_metric(name)
    about = textwrap.wrap(metric.summary, _WIDTH - 4)
    lines = [f"- metric: {name}", *(f"  # {line}" for line in about)]
    # Sites of word pairs are named otherwise than SAEs, and "middle" is of both.
    lines.append("  #saes: all")
    if metric.parameters:
        lines.append("  #parameters:")
    for parameter, declared in metric.parameters.items():
        lines.append(f"  #  {parameter}: {_yaml(declared.default)}")
    return "\n".join(lines)


def _yaml(value: Any) -> str:
    """A value in one line of YAML."""
    import yaml

    plain = list(value) if isinstance(value, tuple) else value
    text: str = yaml.safe_dump(plain, default_flow_style=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _expected() -> dict[str, Any]:
    """A value that the benchmark of the sample has: what ships is said in one place."""
    shipped = load_spec(find_spec(sample_path().stem, "benchmarks"), Benchmark)
    slope = next(value for value in shipped.expected if value.output == "slope" and value.sae == "layer_3")
    return {
        "root": shipped.dataset.root,
        "version": shipped.versions["eigenvalue_slope"],
        "slope": slope.expected,
    }
