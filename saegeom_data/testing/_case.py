"""A metric under test with its inputs, and the results that several checks look at."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from saegeom_data.data.schema import Variable, code_indptr, unembedding
from saegeom_data.declare.metric import Metric
from saegeom_data.testing import checks
from saegeom_data.testing.simulate import simulate_relations, simulate_sae, simulate_text, simulate_unembedding

Example = Callable[[int], xr.Dataset]
"""Makes the input of a seed: the same for the same seed, another one for another seed."""

# Dimensions whose order carries no meaning: a change of it is what "permutation" declares.
_ROWS = ("features", "pairs")


@dataclass(frozen=True)
class Case:
    """A metric and its inputs. Results are computed once and kept for all checks of the metric."""

    metric: Metric
    example: Example

    @property
    def inputs(self) -> tuple[Variable, ...]:
        """Declared variables that the example has, optional ones included."""
        found = self.dataset.variables
        return (*self.metric.inputs, *(variable for variable in self.metric.optional if variable.name in found))

    @property
    def dims(self) -> list[str]:
        """Dimensions of the inputs, in order of their first appearance."""
        return list(dict.fromkeys(dim for variable in self.metric.inputs for dim in variable.dims))

    @functools.cached_property
    def dataset(self) -> xr.Dataset:
        """Input of seed 0. Nobody changes it."""
        return self.example(0)

    @functools.cached_property
    def result(self) -> xr.Dataset:
        """Result of the input in memory."""
        return self.evaluate(self.dataset.copy(deep=True)).compute()

    @functools.cached_property
    def second(self) -> tuple[xr.Dataset, xr.Dataset]:
        """Result of another evaluation of the same input, and the input as it was left."""
        # A copy, since the metric under test may write into its input.
        dataset = self.dataset.copy(deep=True)
        return self.evaluate(dataset).compute(), dataset

    @functools.cached_property
    def in_smallest_chunks(self) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
        """Result of the input in its smallest chunks; the input as it was left, in chunks and the arrays under them."""
        dataset = self.dataset.copy(deep=True)
        chunked = checks.rechunk(dataset, smallest_chunks(dataset))
        return self.evaluate_lazily(chunked).compute(), chunked.compute(), dataset

    def evaluate(self, dataset: xr.Dataset) -> xr.Dataset:
        """Result of the quick parameters, lazy where ``dataset`` is."""
        return self.metric(dataset, **self.metric.quick)

    def evaluate_lazily(self, dataset: xr.Dataset) -> xr.Dataset:
        """Lazy result of an input in chunks; fails if building it computes anything."""
        with checks.raise_if_dask_computes():
            result = self.evaluate(dataset)
        checks.assert_lazy(result)
        return result


def smallest_chunks(dataset: xr.Dataset) -> dict[str, int]:
    """A seventh of each dimension."""
    # Seven pieces, of which the last is shorter for most sizes: uneven chunks are where blocks go wrong.
    return {str(dim): max(1, size // 7) for dim, size in dataset.sizes.items()}


def simulated_example(metric: Metric) -> Example:
    """Inputs from the simulators: an SAE of 120 features, or 4 relations of 30 word pairs, with 24 hidden dimensions.

    Raises
    ------
    ValueError
        If the simulators do not make what the metric needs.
    """
    example = _simulated_pairs if metric.over == "site" else _simulated_sae
    if code_indptr in metric.inputs:
        example = _simulated_text
    elif unembedding in metric.inputs:
        example = _simulated_unembedding
    missing = [variable.name for variable in metric.inputs if variable.name not in example(0).variables]
    if missing:
        raise ValueError(
            f"{metric.name}: the simulators make no {', '.join(missing)}; give example=, a function of seed"
        )
    return example


def _simulated_sae(seed: int) -> xr.Dataset:
    return simulate_sae(
        n_features=120, n_hidden=24, n_blocks=90, spectrum_exponent=0.5, n_lobes=2, function_strength=0.8, seed=seed
    )


def _simulated_text(seed: int) -> xr.Dataset:
    return simulate_text(strength=0.8, seed=seed)


def _simulated_unembedding(seed: int) -> xr.Dataset:
    return simulate_unembedding(strength=0.5, seed=seed)


def _simulated_pairs(seed: int) -> xr.Dataset:
    return simulate_relations(seed=seed)


def rotated(case: Case) -> xr.Dataset:
    """Input whose float variables are rotated along ``hidden``: rows x become x Q of one random orthogonal Q."""
    n_hidden = case.dataset.sizes["hidden"]
    # Q of a Gaussian matrix is orthogonal and mixes all coordinates.
    rotation = np.linalg.qr(np.random.default_rng(5).standard_normal((n_hidden, n_hidden)))[0]
    turned = (variable for variable in _floats(case) if variable.dims[-1:] == ("hidden",))
    return case.dataset.assign(
        {variable.name: (variable.dims, case.dataset[variable.name].values @ rotation) for variable in turned}
    )


def permuted(case: Case) -> xr.Dataset:
    """Input whose features or pairs are in another order."""
    rng = np.random.default_rng(6)
    rows = [dim for dim in _ROWS if dim in case.dataset.dims]
    return case.dataset.isel({dim: rng.permutation(case.dataset.sizes[dim]) for dim in rows})


def scaled(case: Case) -> xr.Dataset:
    """Input whose float variables are all 3.7 times as large."""
    # No power of two, so that a result that depends on the scale cannot agree by exact arithmetic.
    return case.dataset.assign({variable.name: case.dataset[variable.name] * 3.7 for variable in _floats(case)})


CHANGES: Mapping[str, Callable[[Case], xr.Dataset]] = {"rotation": rotated, "permutation": permuted, "scale": scaled}


def _floats(case: Case) -> Iterator[Variable]:
    return (variable for variable in case.inputs if variable.kind == "float")
