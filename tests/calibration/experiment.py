"""One experiment: a metric on simulated data of known truth, seed by seed, and what is kept of each seed."""

from __future__ import annotations

import hashlib
import itertools
import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import xarray as xr

from saegeom_data.declare.claim import Claim, NullTest
from saegeom_data.declare.metric import Metric
from saegeom_data.declare.registry import get_metric
from saegeom_data.engine.join import join
from saegeom_data.engine.units import Unit
from saegeom_data.errors import SaegeomError
from saegeom_data.results.groups import read_groups
from saegeom_data.results.judgement import judge

Simulate = Callable[[int], xr.Dataset]
Record = dict[str, Any]

# The metric's own draws must not be the numbers that the data were made from.
OWN_SEED = 1_000_000
_ROW = "simulated"


@dataclass(frozen=True)
class Experiment:
    """A metric on simulated data.

    Attributes
    ----------
    metric
        Registered name, or the metric itself.
    kind
        ``"size"``: null models hold, and p should be uniform. ``"power"``: something is planted that should be found.
        ``"adversarial"``: what a metric may mistake for structure.
    data
        What is simulated, in words.
    simulate
        Makes the data of a seed.
    parameters
        Parameters of the metric: small and fast.
    holds
        Labels of the null models that hold for the data; of a size experiment only.
    topics
        Topics of the claims that the experiment is about; all by default.
    truth
        True value of outputs where it is known in closed form. Intervals of others are held against the mean of the
        estimates over seeds.
    every
        Only every so many seeds are run, for what takes long.
    """

    metric: str | Metric
    kind: Literal["size", "power", "adversarial"]
    data: str
    simulate: Simulate
    parameters: Mapping[str, Any] = field(default_factory=dict)
    holds: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    truth: Mapping[str, float] = field(default_factory=dict)
    every: int = 1

    @property
    def declared(self) -> Metric:
        """Declaration of the metric."""
        return get_metric(self.metric) if isinstance(self.metric, str) else self.metric

    @property
    def key(self) -> str:
        """Its name among all experiments."""
        return f"{self.declared.name}/{self.kind}/{self.data}"

    def is_about(self, topic: str) -> bool:
        """Whether claims of a topic count in it."""
        return not self.topics or topic in self.topics

    def fingerprint(self) -> str:
        """What changes when the metric's version, its parameters or the simulated data do."""
        stated = [self.declared.version, dict(self.parameters)]
        digest = hashlib.sha256(json.dumps(stated, sort_keys=True, default=str).encode())
        for name, variable in sorted(self.simulate(0).variables.items(), key=lambda entry: str(entry[0])):
            values = variable.values
            digest.update(str(name).encode())
            digest.update("\0".join(map(str, values.ravel())).encode() if values.dtype == object else values.tobytes())
        return digest.hexdigest()[:16]


def measure(experiment: Experiment, seed: int) -> Record:
    """Run one seed, and return what tables are made from.

    ``claims`` holds the p of each claim and of each of its tests, and whether the claim is found; ``intervals`` the
    value and both ends of every interval. An error of the metric is kept as text, since one input that a metric cannot
    bear must not cost the table; a refusal is an error of this package. ``seconds`` are those of the processor.
    """
    started = time.process_time()
    record: Record = {"seed": seed, "claims": [], "intervals": {}, "error": None, "is_refusal": False}
    try:
        result = _evaluated(experiment, seed)
        record["claims"] = [_claim_record(claim) for claim in claims_of(experiment.declared, result)]
        # Of adversarial inputs no interval is asked for.
        if experiment.kind != "adversarial":
            record["intervals"] = dict(intervals(experiment.declared, result))
    except Exception as error:
        record["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
        record["is_refusal"] = isinstance(error, SaegeomError)
    record["seconds"] = round(time.process_time() - started, 4)
    return record


def _evaluated(experiment: Experiment, seed: int) -> xr.Dataset:
    """Result of the metric on the data of a seed, in memory."""
    import dask

    metric = experiment.declared
    drawn = {"seed": OWN_SEED + seed} if "seed" in metric.parameters else {}
    # Metrics warn of what simulated data do on purpose.
    with warnings.catch_warnings(), dask.config.set(scheduler="synchronous"):
        warnings.simplefilter("ignore")
        return metric(experiment.simulate(seed), **{**experiment.parameters, **drawn}).compute()


def claims_of(metric: Metric, result: xr.Dataset) -> list[Claim]:
    """Claims of one result, as a run with one SAE or site would make them."""
    presentation = metric.load_presentation()
    if presentation is None:
        return []
    (group,) = read_groups(join([Unit(metric.name, metric, _ROW, result, {})]))
    return list(presentation.claims(group))


def _claim_record(claim: Claim) -> Record:
    judged = judge([claim])
    return {
        "topic": claim.topic,
        "statement": claim.statement,
        "opposite": claim.opposite,
        "p": claim.p,
        "said": claim.statement if judged.found else claim.opposite if judged.opposite else "",
        "tests": {test.null.label: _p_of(test) for test in claim.run},
    }


def _p_of(test: NullTest) -> float | None:
    """The p of a test, two-sided where it has two sides, as claims use it."""
    if test.p is None or test.p_other is None:
        return test.p
    return min(1.0, 2 * min(test.p, test.p_other))


def interval_names(metric: Metric) -> set[str]:
    """Outputs X of a metric that have ``X_low`` and ``X_high``, but for those over ``lobes``.

    Lobes have no order that two seeds share, so that the mean over seeds of one lobe is that of nothing.
    """
    dims = {output.name: output.dims for output in metric.outputs}
    return {name for name in dims if {f"{name}_low", f"{name}_high"} <= dims.keys() and "lobes" not in dims[name]}


def intervals(metric: Metric, result: xr.Dataset) -> Iterator[tuple[str, list[float]]]:
    """Name of every declared interval with value, low and high; entries of further dimensions one by one.

    An interval is an output X with ``X_low`` and ``X_high``, or with an entry of ``low`` and ``high`` over ``score``.
    """
    names = {output.name for output in metric.outputs}
    for name in sorted(interval_names(metric)):
        yield from _entries(name, result[name], result[f"{name}_low"], result[f"{name}_high"])
    if {"low", "high"} <= names and "score" in result["low"].dims:
        for score in (str(label) for label in result["score"].values if str(label) in names):
            ends = (result[end].sel(score=score, drop=True) for end in ("low", "high"))
            yield from _entries(score, result[score], *ends)


def _entries(name: str, *arrays: xr.DataArray) -> Iterator[tuple[str, list[float]]]:
    value, low, high = xr.broadcast(*arrays)
    labels = [[f"{dim}={label}" for label in _labels(value, str(dim))] for dim in value.dims]
    flat = (array.values.ravel() for array in (value, low, high))
    for where, entry in zip(itertools.product(*labels), zip(*flat, strict=True), strict=True):
        if all(np.isfinite(entry)):
            yield f"{name}|{', '.join(where)}", [float(number) for number in entry]


def _labels(array: xr.DataArray, dim: str) -> list[Any]:
    return array[dim].values.tolist() if dim in array.coords else list(range(array.sizes[dim]))
