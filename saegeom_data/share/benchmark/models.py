"""What a benchmark says: a dataset by its root hash, what to measure on it, and the values that should be found."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from saegeom_data.declare.registry import get_metric
from saegeom_data.engine.check_run import measurement_problems
from saegeom_data.errors import ParameterError, Problem, SpecError, UnknownNameError, suggest
from saegeom_data.sample import sample_path
from saegeom_data.spec.checked import StrictModel
from saegeom_data.spec.models import Measurements, Root, shipped_specs
from saegeom_data.spec.strict_yaml import Source

if TYPE_CHECKING:
    from saegeom_data.declare.metric import Metric


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


def check_benchmark(benchmark: Benchmark, where: str = "benchmark") -> None:
    """Raise :class:`SpecError` for all that is wrong with a benchmark by itself, whatever is installed or reachable.

    Versions of metrics are compared by :func:`~saegeom_data.share.benchmark.check`: a benchmark of other versions is
    sound, and can be checked where those are installed.
    """
    source = benchmark.source if benchmark.source.where else Source(where)
    problems = measurement_problems(benchmark.run, source, ("run",))
    dataset = benchmark.dataset
    # A published dataset has a root; without it the benchmark would pass or fail on whatever lies there.
    if dataset.root is None and (dataset.url or not dataset.name or dataset.name == sample_path().stem):
        problems.append(
            source.problem(("dataset",), "no root, so any data would do; add the root hash of its manifest")
        )
    # What is expected is looked up in the metrics of the run, which must be sound before.
    if not problems:
        metrics = {measurement.group: get_metric(measurement.metric) for measurement in benchmark.run.metrics}
        problems += _version_keys(benchmark, metrics, source)
        seen: set[str] = set()
        for index, expectation in enumerate(benchmark.expected):
            problems += _expectation_problems(expectation, ("expected", index), metrics, source)
            name = label(expectation)
            if name in seen:
                problems.append(source.problem(("expected", index), f"{name} is a duplicate; remove it"))
            seen.add(name)
    if problems:
        raise SpecError(problems)


def version_problems(benchmark: Benchmark) -> list[Problem]:
    """Return a problem for each metric that is installed in another version than made the expected values."""
    source = benchmark.source if benchmark.source.where else Source("benchmark")
    return [
        source.problem(
            ("versions", name),
            f"the installed {name} has version {get_metric(name).version}, the expected values are of version {version}"
            ", so they are not compared; install the release with that version, or write the benchmark again",
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
    """Say how to get a dataset that has no address."""
    if dataset.name in shipped_specs("datasets"):
        return f"make it with saegeom build {dataset.name} -o STORE, and give it with --data STORE"
    return "give a copy of it with --data STORE"


def label(expectation: Expectation) -> str:
    """Return the name of what is expected, in one line.

    Examples
    --------
    >>> label(Expectation(group="lobes", output="size", sae="layer_3", where={"n_lobes": 2}))
    'lobes/size of layer_3, n_lobes=2'
    """
    where = [f"{dim}={value}" for dim, value in expectation.where.items()]
    return ", ".join([f"{expectation.group}/{expectation.output} of {expectation.sae}", *where])


def _version_keys(benchmark: Benchmark, metrics: Mapping[str, Metric], source: Source) -> Iterator[Problem]:
    needed = {metric.name for metric in metrics.values()}
    for name in sorted(needed - set(benchmark.versions)):
        yield source.problem(("versions", name), "missing key; add the version of the metric")
    for name in sorted(set(benchmark.versions) - needed):
        yield source.problem(("versions", name), f"no metric of the run{suggest(name, needed)}; remove it")


def _expectation_problems(
    expectation: Expectation, at: tuple[str | int, ...], metrics: Mapping[str, Metric], source: Source
) -> Iterator[Problem]:
    if (expectation.expected is None) != (expectation.tolerance is None):
        yield source.problem(at, "expected and tolerance belong together; give both, or neither to have it reported")
    if expectation.group not in metrics:
        yield source.problem((*at, "group"), str(UnknownNameError("group of the run", expectation.group, metrics)))
        return
    outputs = {output.name: output for output in metrics[expectation.group].outputs}
    if expectation.output not in outputs:
        what = f"output of {metrics[expectation.group].name}"
        yield source.problem((*at, "output"), str(UnknownNameError(what, expectation.output, outputs)))
    elif set(expectation.where) != set(outputs[expectation.output].dims):
        dims = ", ".join(outputs[expectation.output].dims) or "none"
        got = ", ".join(expectation.where) or "none"
        yield source.problem((*at, "where"), f"got labels of {got}, expected a label for each dimension of it: {dims}")
