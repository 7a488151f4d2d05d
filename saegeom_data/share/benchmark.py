"""Benchmarks: a dataset by its root hash, what to measure on it, and the values that anyone should find."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from saegeom_data.data import store
from saegeom_data.data.selection import Selection
from saegeom_data.declare.registry import get_metric
from saegeom_data.engine.check_run import measurement_problems
from saegeom_data.engine.compute import compute
from saegeom_data.engine.join import join
from saegeom_data.engine.units import Unit, evaluate_units
from saegeom_data.errors import ParameterError, Problem, SpecError, StoreError, UnknownNameError, suggest
from saegeom_data.sample import sample_path
from saegeom_data.spec.models import Measurements, Root, RunSpec, StrictModel, shipped_specs
from saegeom_data.spec.strict_yaml import Source

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.declare.metric import Metric
    from saegeom_data.typing import Progress

_MOST_ASKED = 8


class BenchmarkDataset(StrictModel):
    """The dataset of a benchmark.

    Attributes
    ----------
    root
        Root hash of its manifest. May be left out of a dataset that has a name and was never published: then any store
        of that name is measured.
    name
        Name of the dataset: of the bundled sample, or of the spec that it is built from.
    url
        Where it is published.
    """

    root: Root | None = None
    name: str = ""
    url: str = ""


class Expectation(StrictModel):
    """A value that should be found, or one that is reported beside those.

    Attributes
    ----------
    group
        Name of a metric of the run, or of its group where it has one.
    output
        Output of that metric.
    sae
        Name of the SAE; of the site for metrics of word pairs.
    where
        Label of each other dimension of the output.
    expected
        The value. Without one, what is found is shown and not judged.
    tolerance
        Largest difference that passes.
    reference
        Where the expected value is from.
    """

    group: str
    output: str
    sae: str
    where: dict[str, int | float | str] = Field(default_factory=dict)
    expected: float | None = None
    tolerance: Annotated[float, Field(ge=0)] | None = None
    reference: str = ""


class Benchmark(StrictModel):
    """A dataset, what to measure on it, and what should be found.

    Attributes
    ----------
    dataset
        What is measured.
    run
        How it is measured.
    versions
        Version of each metric that the expected values were made with. Others are refused, not compared.
    expected
        The values.
    """

    spec_version: Literal[1]
    kind: Literal["benchmark"]
    title: str
    description: str = ""
    dataset: BenchmarkDataset
    run: Measurements
    versions: dict[str, int]
    expected: Annotated[list[Expectation], Field(min_length=1)]


@dataclass(frozen=True)
class Checked:
    """One value of a benchmark, recomputed.

    Attributes
    ----------
    asked
        What was asked for.
    value
        What was found; None if it is not finite.
    """

    asked: Expectation
    value: float | None

    @property
    def difference(self) -> float | None:
        """Found minus expected; None where there is nothing to compare."""
        return None if self.value is None or self.asked.expected is None else self.value - self.asked.expected

    @property
    def verdict(self) -> Literal["pass", "fail", "not judged"]:
        """Whether the difference is within the tolerance."""
        if self.asked.tolerance is None:
            return "not judged"
        return "pass" if self.difference is not None and abs(self.difference) <= self.asked.tolerance else "fail"


def check_benchmark(benchmark: Benchmark, where: str = "benchmark") -> None:
    """Raise :class:`SpecError` for all that is wrong with a benchmark by itself, whatever is installed or reachable.

    Versions of metrics are compared by :func:`check`: a benchmark of other versions is a good one elsewhere.
    """
    source = benchmark.source if benchmark.source.where else Source(where)
    problems = measurement_problems(benchmark.run, source, ("run",))
    dataset = benchmark.dataset
    if dataset.root is None and (dataset.url or not dataset.name or dataset.name == sample_path().stem):
        problems.append(
            source.problem(("dataset",), "no root, so any data would do; add the root hash of its manifest")
        )
    if not problems:
        metrics = {one.group: get_metric(one.metric) for one in benchmark.run.metrics}
        problems += _version_keys(benchmark, metrics, source)
        seen: set[str] = set()
        for index, one in enumerate(benchmark.expected):
            problems += _expectation_problems(one, ("expected", index), metrics, source)
            name = label(one)
            if name in seen:
                problems.append(source.problem(("expected", index), f"{name} stands twice; remove one"))
            seen.add(name)
    if problems:
        raise SpecError(problems)


def check(
    benchmark: Benchmark,
    data: str | os.PathLike[str] | None = None,
    *,
    scheduler: str = "threads",
    memory_limit: int | None = None,
    progress: Progress | None = None,
) -> list[Checked]:
    """Recompute the values of a benchmark.

    Parameters
    ----------
    benchmark
        The benchmark, as :func:`saegeom_data.spec.models.load_spec` reads it.
    data
        Store to measure: path or URL. By default the bundled sample or the benchmark's own address.
    scheduler, memory_limit, progress
        As in :func:`saegeom_data.engine.compute.compute`.

    Returns
    -------
    list of Checked
        One for each expected value, in their order. Only outputs that are asked for are computed.

    Raises
    ------
    SpecError
        If the benchmark is not sound, or installed metrics are of other versions.
    StoreError
        If the data has another root hash, or is damaged.

    Examples
    --------
    >>> from saegeom_data.spec.models import load_spec, shipped_specs
    >>> benchmark = load_spec(shipped_specs("benchmarks")["minilm-sample"], Benchmark)
    >>> slope = benchmark.model_copy(update={"expected": benchmark.expected[:1]})
    >>> [(label(one.asked), one.verdict) for one in check(slope)]
    [('eigenvalue_slope/slope of layer_0', 'pass')]
    """
    check_benchmark(benchmark)
    problems = version_problems(benchmark)
    if problems:
        raise SpecError(problems)
    address = data_address(benchmark, data)
    with store.open_whole(address) as tree:
        _refuse_other_data(benchmark.dataset, tree, str(address))
        units = compute(_asked_for(benchmark, tree), scheduler=scheduler, memory_limit=memory_limit, progress=progress)
        results = join(units)
    return [Checked(one, _value(results[one.group].to_dataset(), one)) for one in benchmark.expected]


def version_problems(benchmark: Benchmark) -> list[Problem]:
    """One problem for each metric that is installed in another version than the expected values were made with."""
    source = benchmark.source if benchmark.source.where else Source("benchmark")
    return [
        source.problem(
            ("versions", name),
            f"the installed {name} has version {get_metric(name).version}, the expected values are of version {version}"
            ", so they are not compared; install the package of that time or write the benchmark anew",
        )
        for name, version in benchmark.versions.items()
        if get_metric(name).version != version
    ]


def data_address(benchmark: Benchmark, data: str | os.PathLike[str] | None = None) -> str | os.PathLike[str]:
    """Where the data of a benchmark is: as given, bundled, or published.

    Raises
    ------
    ParameterError
        If it has to be built or given.
    """
    dataset = benchmark.dataset
    if data is not None or dataset.url:
        return data if data is not None else dataset.url
    if dataset.name == sample_path().stem:
        return sample_path()
    raise ParameterError(f"{benchmark.title}: its dataset has no address; {how_to_get(dataset)}")


def how_to_get(dataset: BenchmarkDataset) -> str:
    """Say how a dataset without an address comes to hand."""
    if dataset.name in shipped_specs("datasets"):
        return f"make it with saegeom build {dataset.name} -o STORE, and give it with --data STORE"
    return "give a copy of it with --data STORE"


def label(one: Expectation) -> str:
    """Name of what is expected, in a line.

    Examples
    --------
    >>> label(Expectation(group="lobes", output="size", sae="layer_3", where={"n_lobes": 2}))
    'lobes/size of layer_3, n_lobes=2'
    """
    return ", ".join([f"{one.group}/{one.output} of {one.sae}", *(f"{dim}={at}" for dim, at in one.where.items())])


def as_run(benchmark: Benchmark) -> RunSpec:
    """Return the run of a benchmark as a spec of its own."""
    run = benchmark.run
    return RunSpec(spec_version=1, kind="run", title=benchmark.title, metrics=run.metrics, occurrence=run.occurrence)


def _version_keys(benchmark: Benchmark, metrics: Mapping[str, Metric], source: Source) -> Iterator[Problem]:
    needed = {metric.name for metric in metrics.values()}
    for name in sorted(needed - set(benchmark.versions)):
        yield source.problem(("versions", name), "missing key; add the version of the metric")
    for name in sorted(set(benchmark.versions) - needed):
        yield source.problem(("versions", name), f"no metric of the run{suggest(name, needed)}; remove it")


def _expectation_problems(
    one: Expectation, at: tuple[str | int, ...], metrics: Mapping[str, Metric], source: Source
) -> Iterator[Problem]:
    if (one.expected is None) != (one.tolerance is None):
        yield source.problem(at, "expected and tolerance belong together; give both, or neither to have it reported")
    if one.group not in metrics:
        yield source.problem((*at, "group"), str(UnknownNameError("group of the run", one.group, metrics)))
        return
    outputs = {output.name: output for output in metrics[one.group].outputs}
    if one.output not in outputs:
        what = f"output of {metrics[one.group].name}"
        yield source.problem((*at, "output"), str(UnknownNameError(what, one.output, outputs)))
    elif set(one.where) != set(outputs[one.output].dims):
        dims = ", ".join(outputs[one.output].dims) or "none"
        got = ", ".join(one.where) or "none"
        yield source.problem((*at, "where"), f"got labels of {got}, expected one for each dimension of it: {dims}")


def _refuse_other_data(dataset: BenchmarkDataset, tree: xr.DataTree, address: str) -> None:
    got = tree.encoding["root"]
    if dataset.root is not None and got != dataset.root:
        where = f"take it from {dataset.url}" if dataset.url else how_to_get(dataset)
        raise StoreError(f"{address}: got root {got}, expected {dataset.root} of this benchmark's data; {where}")
    if dataset.root is None and tree.attrs.get("name") != dataset.name:
        raise StoreError(
            f"{address}: got the dataset {tree.attrs.get('name', 'without a name')!r}, expected {dataset.name!r}; "
            f"{how_to_get(dataset)}"
        )


def _asked_for(benchmark: Benchmark, tree: xr.DataTree) -> list[Unit]:
    """Lazy units of what is asked for alone: dask computes nothing else."""
    run = as_run(benchmark)
    outputs: dict[str, set[str]] = {}
    for asked in benchmark.expected:
        outputs.setdefault(asked.group, set()).add(asked.output)
    units = evaluate_units(run, Selection(tree, run.occurrence))
    return [replace(unit, dataset=unit.dataset[sorted(outputs[unit.group])]) for unit in units if unit.group in outputs]


def _value(dataset: xr.Dataset, one: Expectation) -> float | None:
    over = "sae" if "sae" in dataset.dims else "site"
    found = dataset[one.output]
    for dim, wanted in {over: one.sae, **one.where}.items():
        labels = found[dim].values.tolist() if dim in found.coords else list(range(found.sizes[dim]))
        if wanted not in labels:
            raise ParameterError(f"{label(one)}: no {dim} is {wanted!r}; known: {_some(labels)}")
        found = found.isel({dim: labels.index(wanted)})
    if found.dtype.kind not in "fiub":
        raise ParameterError(f"{label(one)}: holds text, expected an output of numbers")
    value = float(found)
    return value if math.isfinite(value) else None


def _some(labels: list[Any]) -> str:
    more = len(labels) - _MOST_ASKED
    return ", ".join(str(one) for one in labels[:_MOST_ASKED]) + (f" and {more} more" if more > 0 else "")
