"""Check a benchmark: compute its values again on the data it names, and compare them with what it expects."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from saegeom_data.data import store
from saegeom_data.data.selection import Selection
from saegeom_data.engine.compute import compute
from saegeom_data.engine.join import join
from saegeom_data.engine.units import Unit, evaluate_units
from saegeom_data.errors import ParameterError, SpecError, StoreError, first_names
from saegeom_data.share.benchmark.models import (
    Benchmark,
    BenchmarkDataset,
    Expectation,
    check_benchmark,
    data_address,
    how_to_get,
    label,
    version_problems,
)
from saegeom_data.spec.models import RunSpec

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.typing import Progress

# Labels that a message lists.
_MOST_LABELS = 8


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


def check(
    benchmark: Benchmark,
    data: str | os.PathLike[str] | None = None,
    *,
    scheduler: str | None = None,
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
    >>> [(label(value.asked), value.verdict) for value in check(slope)]
    [('eigenvalue_slope/slope of layer_0', 'pass')]
    """
    check_benchmark(benchmark)
    # Another version of a metric has other numbers by definition: a difference would say nothing.
    problems = version_problems(benchmark)
    if problems:
        raise SpecError(problems)
    address = data_address(benchmark, data)
    with store.open_whole(address) as tree:
        _refuse_other_data(benchmark.dataset, tree, str(address))
        asked = _asked_for(benchmark, tree)
        units = compute(asked, tree=tree, scheduler=scheduler, memory_limit=memory_limit, progress=progress)
        results = join(units)
    return [
        Checked(expectation, _value(results[expectation.group].to_dataset(), expectation))
        for expectation in benchmark.expected
    ]


def as_run(benchmark: Benchmark) -> RunSpec:
    """Return the run of a benchmark as a spec of its own."""
    run = benchmark.run
    return RunSpec(spec_version=1, kind="run", title=benchmark.title, metrics=run.metrics, occurrence=run.occurrence)


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
    """Lazy units of the expected outputs alone, so that dask computes nothing else."""
    run = as_run(benchmark)
    outputs: dict[str, set[str]] = {}
    for expectation in benchmark.expected:
        outputs.setdefault(expectation.group, set()).add(expectation.output)
    units = evaluate_units(run, Selection(tree, run.occurrence))
    return [replace(unit, dataset=unit.dataset[sorted(outputs[unit.group])]) for unit in units if unit.group in outputs]


def _value(dataset: xr.Dataset, expectation: Expectation) -> float | None:
    """The number that an expectation is of, by its labels; None if it is not finite."""
    over = "sae" if "sae" in dataset.dims else "site"
    found = dataset[expectation.output]
    for dim, wanted in {over: expectation.sae, **expectation.where}.items():
        labels = found[dim].values.tolist() if dim in found.coords else list(range(found.sizes[dim]))
        # By position, because a dimension without labels has none to select by.
        if wanted not in labels:
            raise ParameterError(
                f"{label(expectation)}: no {dim} is {wanted!r}; known: {first_names(labels, _MOST_LABELS)}"
            )
        found = found.isel({dim: labels.index(wanted)})
    if found.dtype.kind not in "fiub":
        raise ParameterError(f"{label(expectation)}: holds text, expected an output of numbers")
    value = float(found)
    return value if math.isfinite(value) else None
