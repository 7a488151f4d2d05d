"""V of lobes found and measured both ways round, alone and less that of other lobes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Memory, Result, Work
from saegeom_data.metrics._statistics.cross_fitting import cross_fitted, mean_where, one_way
from saegeom_data.metrics.brain.lobe_function._compared import Compared
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

_MEMORY, _WORK = Memory(finish=10**6), Work(calls=500)


def told(side: Sequence[xr.Dataset], names: Mapping[str, str]) -> xr.Dataset:
    """V (n_lobes) of one side and its interval, by the names of outputs.

    ``side`` is what :func:`ways_of_features` gives; ``names`` says how ``mean``, ``low`` and ``high`` over all ways are
    called, and ``first_low`` and ``first_high``, the interval of the first way alone.
    """
    n_counts = side[0].sizes["n_lobes"]
    return lazy.whole(
        partial(_told, names=dict(names)),
        value=[way.value for way in side],
        left_out=[way.left_out for way in side],
        n_documents=[way.n_documents for way in side[:2]],
        outputs={name: Result(("n_lobes",), (n_counts,)) for name in names.values()},
        memory=_MEMORY,
        work=_WORK,
    )


def compared(names: Compared, side: Sequence[xr.Dataset], other: Sequence[xr.Dataset]) -> xr.Dataset:
    """Outputs of the comparison ``names`` of two sides that are measured on the same blocks."""
    return lazy.whole(
        partial(_compared, names=names),
        value=[way.value for way in side],
        left_out=[way.left_out for way in side],
        other=[way.value for way in other],
        other_left_out=[way.left_out for way in other],
        n_blocks=[way.n_blocks for way in side[:2]],
        n_documents=[way.n_documents for way in side[:2]],
        outputs=_results(names, side[0].sizes["n_lobes"]),
        memory=_MEMORY,
        work=_WORK,
    )


def nothing_compared(names: Compared, of: xr.DataArray, n_counts: int) -> xr.Dataset:
    """What :func:`compared` gives where there is nothing to compare with; ``of`` is not looked at."""
    return nothing(of, _results(names, n_counts))


def nothing(of: xr.DataArray, outputs: Mapping[str, Result]) -> xr.Dataset:
    """NaN for every output, and 0 for counts, lazy as ``of`` is, which is not looked at."""
    compute = partial(_nothing, outputs=dict(outputs))
    return lazy.whole(compute, of, outputs=outputs, memory=Memory(), work=Work(calls=20))


def _results(names: Compared, n_counts: int) -> dict[str, Result]:
    found = {name: Result(("n_lobes",), (n_counts,)) for name in names.outputs.values()}
    return found | {names.n_blocks: Result((), (), "int64")}


def _nothing(of: Array, *, outputs: Mapping[str, Result]) -> lazy.Arrays:
    return {
        name: np.full(result.shape, np.nan if np.dtype(result.dtype).kind == "f" else 0)
        for name, result in outputs.items()
    }


def _told(
    value: Sequence[Array], left_out: Sequence[Array], n_documents: Sequence[Array], *, names: dict[str, str]
) -> lazy.Arrays:
    ways, n = _by_halving(value), np.sum(n_documents)
    found = cross_fitted(ways, _by_halving(left_out), n)
    # The first way is measured on the second half alone.
    low, high = one_way(value[0], left_out[0], ways, n_documents[0])
    found |= {"first_low": low, "first_high": high}
    # An interval by Student's t knows nothing of the range of V.
    return {output: np.clip(found[part], 0.0, 1.0) for part, output in names.items()}


def _compared(
    value: Sequence[Array],
    left_out: Sequence[Array],
    other: Sequence[Array],
    other_left_out: Sequence[Array],
    n_blocks: Sequence[Array],
    n_documents: Sequence[Array],
    *,
    names: Compared,
) -> lazy.Arrays:
    """Means (n_lobes) of V, of V of the other side and of their difference, with its interval and p.

    Differences are taken within each left-out group of documents: what both sides share of the text cancels.
    """
    side, beside, n = _by_halving(value), _by_halving(other), np.sum(n_documents)
    # Halvings of which a side has no lobes count for neither, so that the gain is the difference of both values.
    counts = np.asarray(np.isfinite(side - beside).all(axis=1))
    mean, mean_beside = (mean_where(values.mean(axis=1), counts) for values in (side, beside))
    largest = np.maximum(mean, mean_beside)
    gain = cross_fitted(side - beside, _by_halving(left_out) - _by_halving(other_left_out), n, largest)
    found = {"value": mean, "other": mean_beside, "gain": gain["mean"]} | {
        end: gain[end] for end in ("low", "high", "p")
    }
    return names.named(found) | {names.n_blocks: np.sum(n_blocks)}


def _by_halving(ways: Sequence[Array]) -> Array:
    """Ways, two of each halving, as (halvings, 2, ...)."""
    return np.reshape(ways, (len(ways) // 2, 2, *np.shape(ways[0])))
