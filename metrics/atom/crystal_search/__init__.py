"""Crystals among features: quadruples that form parallelograms or trapezoids, at a stated false discovery rate."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.metric import Anchor, Output, metric
from saegeom_data.errors import ParameterError
from saegeom_data.lazy import Memory, Result
from saegeom_data.metrics._statistics.p_values import summary_of, tail
from saegeom_data.metrics.atom.crystal_search._false_discovery import poisson_interval, q_values
from saegeom_data.metrics.atom.crystal_search._quadruples import (
    EXCLUDED,
    KINDS,
    MOST,
    Quadruples,
    find_quadruples,
    mutual_pairs,
    search_bytes,
)
from saegeom_data.metrics.galaxy._shared.directions import (
    COPY,
    check_rows,
    direction_moments,
    direction_neighbours,
    directions,
    drawn_index,
    drawn_rows,
)
from saegeom_data.metrics.nulls import spectrum_matched
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


_BY_THRESHOLD, _LISTED = ("kind", "threshold"), ("kind", "crystal")
_OUTPUTS = (
    Output(
        "n_crystals",
        ("kind",),
        "count",
        "quadruples found at the stated false discovery rate",
        0,
        dtype="int64",
        bounds=(0, None),
        direction="higher",
    ),
    Output("n_false_expected", ("kind",), "count", "how many of these are expected to be chance, by the estimate"),
    Output(
        "n_families",
        ("kind",),
        "count",
        "groups of crystals that share a pair of features",
        0,
        dtype="int64",
        bounds=(0, None),
    ),
    Output(
        "largest_agreement",
        ("kind",),
        "1",
        "agreement of the best quadruple, in [0, 1]; NaN if there is none",
        bounds=(0, 1),
        direction="higher",
    ),
    Output("largest_agreement_null_mean", ("kind",), "1", "mean of the same over surrogates that have one"),
    Output(
        "largest_agreement_p",
        ("kind",),
        "1",
        "(b + 1) / (B + 1) for b of B surrogates at least as large",
        bounds=(0, 1),
    ),
    Output(
        "n_quadruples",
        _BY_THRESHOLD,
        "count",
        "quadruples that agree at least so well",
        0,
        dtype="int64",
        bounds=(0, None),
        direction="higher",
    ),
    Output("n_quadruples_null_mean", _BY_THRESHOLD, "count", "mean of n_quadruples over surrogates"),
    Output(
        "n_quadruples_null_sd",
        _BY_THRESHOLD,
        "count",
        "standard deviation of n_quadruples over surrogates",
        bounds=(0, None),
    ),
    Output(
        "n_quadruples_p",
        _BY_THRESHOLD,
        "1",
        "(b + 1) / (B + 1) for b of B surrogates with at least as many",
        bounds=(0, 1),
    ),
    Output(
        "excess",
        _BY_THRESHOLD,
        "count",
        "n_quadruples - n_quadruples_null_mean; above 0 is more than chance",
        direction="higher",
    ),
    Output("excess_low", _BY_THRESHOLD, "count", "lower end of the 95 percent interval of excess"),
    Output("excess_high", _BY_THRESHOLD, "count", "upper end of the 95 percent interval of excess"),
    Output(
        "corner",
        (*_LISTED, "place"),
        "1",
        "features a, b, c, d of the best, b - a along d - c; or -1",
        -1,
        dtype="int64",
        bounds=(-1, None),
    ),
    Output(
        "trapezoid_cosine",
        _LISTED,
        "1",
        "cosine of b - a and d - c, in [0, 1]; 1 is a trapezoid",
        bounds=(0, 1),
        direction="higher",
    ),
    Output(
        "parallelogram_residual",
        _LISTED,
        "1",
        "|(b-a) - (d-c)| / mean(|b-a|, |d-c|); 0 is a parallelogram",
        direction="lower",
    ),
    Output("q", _LISTED, "1", "least false discovery rate at which the quadruple is found, in [0, 1]", bounds=(0, 1)),
    Output(
        "family",
        _LISTED,
        "1",
        "group of crystals that share a pair of features, or -1",
        -1,
        dtype="int64",
        bounds=(-1, None),
    ),
    Output(
        "n_pairs",
        (),
        "count",
        "pairs of features that are among each other's nearest neighbours",
        0,
        dtype="int64",
        bounds=(0, None),
    ),
    Output("n_pairs_null_mean", (), "count", "mean of n_pairs over surrogates"),
    Output(
        "n_excluded",
        ("reason",),
        "count",
        "combinations of two pairs left out as degenerate",
        0,
        dtype="int64",
        bounds=(0, None),
    ),
    Output("n_features_used", (), "count", "rows of non-zero norm in use", 0, dtype="int64", bounds=(0, None)),
    Output("n_features_dropped", (), "count", "rows of zero norm, dropped", 0, dtype="int64", bounds=(0, None)),
    Output(
        "n_duplicates",
        (),
        "count",
        "features with a copy: a neighbour nearer than 1e-7",
        0,
        dtype="int64",
        bounds=(0, None),
    ),
)
_LABELS = ("corner", "family")


def _planted() -> xr.Dataset:
    from saegeom_data.testing.simulate import simulate_crystals

    return simulate_crystals(n_features=240, n_hidden=40, n_parallelograms=6, n_trapezoids=0)


def _isotropic() -> xr.Dataset:
    from saegeom_data.testing.simulate import simulate_crystals

    return simulate_crystals(n_features=240, n_hidden=40, n_parallelograms=0, n_trapezoids=0)


@metric(
    version=1,
    scale="atom",
    inputs=(schema.decoder,),
    outputs=_OUTPUTS,
    invariances={
        "rotation": tuple(output.name for output in _OUTPUTS),
        "permutation": tuple(output.name for output in _OUTPUTS if output.name not in _LABELS),
        "scale": tuple(output.name for output in _OUTPUTS),
    },
    pattern="pairs",
    reference="Li et al. 2025, section 3; false discovery rate: Barber and Candès 2015",
    presentation="saegeom_data.metrics.atom.crystal_search.presentation:PRESENTATION",
    quick={"n_surrogates": 5, "n_best": 20},
    anchors=(
        Anchor(
            "planted parallelograms are found, and nothing else",
            _planted,
            {"n_crystals": (6.0, 0.0), "largest_agreement": (1.0, 1e-9), "n_quadruples": (6.0, 0.0)},
            {"threshold": (0.9,)},
        ),
        Anchor("random directions have no crystals", _isotropic, {"n_crystals": (0.0, 0.0)}),
    ),
)
def crystal_search(
    sae: xr.Dataset,
    *,
    k: Annotated[int, Field(ge=1)] = 10,
    least_agreement: Annotated[float, Field(gt=0, lt=1)] = 0.5,
    threshold: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.9),
    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)] = 0.05,
    n_best: Annotated[int, Field(ge=1)] = 100,
    n_surrogates: Annotated[int, Field(ge=1)] = 20,
    n_samples: Annotated[int, Field(ge=1)] | None = None,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    r"""Search feature directions for crystals: quadruples whose offsets agree more than chance explains.

    Candidates are pairs of features, each among the k nearest neighbours of the other. Two pairs (a, b) and (c, d) are
    a quadruple if their offsets :math:`b - a` and :math:`d - c` agree:

    - as a ``trapezoid``, by :math:`|\cos(b - a, d - c)|`, the offsets normalised;
    - as a ``parallelogram``, by :math:`1 - r^2 / 2` with the residual
      :math:`r = 2 |(b - a) - (d - c)| / (|b - a| + |d - c|)`, the offsets plain. For offsets of one length that is the
      cosine, and never more than it otherwise: parallelograms are trapezoids, and a good trapezoid may be a poor
      parallelogram.

    Parameters
    ----------
    sae
        Dataset with ``decoder`` (features, hidden).
    k
        Nearest neighbours that candidates are among.
    least_agreement
        Agreement below which no quadruple is looked at.
    threshold
        Agreements at and above which quadruples are counted, each at least ``least_agreement``.
    false_discovery_rate
        Rate at which crystals are found.
    n_best
        Quadruples of each kind that are listed at most, the best first.
    n_surrogates
        Surrogates.
    n_samples
        Features drawn without replacement, which are then all that is searched; all by default.
    seed
        Seed of the draw and of the surrogates.

    Returns
    -------
    xarray.Dataset
        By ``kind``: ``n_crystals`` and how many of these are expected to be false; the best agreement, and p of it.
        By (kind, threshold): numbers of quadruples with nulls, and the excess over them with its interval. By
        (kind, crystal): the best quadruples, whether found or not, with features, scores and q. Counts of what was left
        out: combinations of pairs that share a feature, and those in which a feature of one pair lies nearer to one of
        the other, or to the opposite of one, than the features of a pair to each other: near copies of a pair, and near
        opposites, have its offset for no other reason.

        Rows of zero norm are dropped and counted. Copies are no pairs. With no quadruple, agreements are NaN and
        ``largest_agreement_p`` is 1.

    Raises
    ------
    ParameterError
        If k is not below the features, n_samples exceeds them, or a threshold is out of range.

    Notes
    -----
    Surrogates are Gaussian rows of unit norm with the mean and covariance of the directions
    (:func:`neighbour_angle`), which go through the same search. At a threshold with N quadruples in the data and
    :math:`N_s` in surrogate s of S the estimated false discovery rate is
    :math:`\mathrm{FDR} = (1 + \sum_s N_s) / (S N)`, the mean number in surrogates over that in the data, with one
    added to the total: no rate is 0 because few surrogates were drawn, and a single quadruple can be found with 20 of
    them or more. q is the least FDR of any threshold that includes the quadruple. On rows of the null all that is found
    is false, and something is found in at most about ``false_discovery_rate`` of cases. The null holds what mean and
    covariance explain, not clusters and opposites among features; what these make is left out. All q and p are NaN, and
    nothing is found, where there are no such surrogates.

    ``excess`` has the exact interval of the surrogates' mean if numbers are Poisson. On the unit sphere parallelograms
    are rectangles. At most 10,000 quadruples of each kind are kept of a cloud, the best; larger numbers are bounded by
    that.

    Invariant under rotation and scale, and but for indices under permutation. One pass over pairs of features, shared
    with other metrics of directions, then pairs ** 2 / 2 * hidden multiplications in single precision, and both for
    each surrogate; pairs are features * k / 2 at most. Memory: the directions, features * hidden float64, as for a
    surrogate: lower n_samples where that is too much.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_crystals
    >>> result = crystal_search(simulate_crystals(n_parallelograms=3, n_trapezoids=2), n_surrogates=5)
    >>> result.n_quadruples.sel(threshold=0.9).values.tolist()
    [3, 5]
    """
    n_features, hidden = sae.decoder.shape
    _check_thresholds(threshold, least_agreement)
    check_rows("crystal_search", n_features, n_samples, k)
    rows = drawn_rows(sae.decoder, n_samples, seed)
    near, moments = direction_neighbours(rows, k), direction_moments(rows)
    n = len(rows)
    searching = 3 * 8 * n * k + search_bytes(n * k // 2, hidden)
    found = lazy.whole(
        functools.partial(_searched, k=k, least=least_agreement),
        lazy.again(rows, near.distance),
        near.distance,
        near.neighbour,
        outputs={
            "corner": Result(("quadruple", "place"), (2 * MOST, 4), "int64"),
            "score": Result(("quadruple", "score"), (2 * MOST, 2)),
            "counts": Result(("count",), (2 + len(EXCLUDED),), "int64"),
        },
        memory=Memory(finish=2 * 8 * n * hidden + searching, lower="n_samples"),
    )
    draws = [_drawn(rows, moments, index, k=k, least=least_agreement, seed=seed) for index in range(n_surrogates)]
    sizes = {"kind": len(KINDS), "threshold": len(threshold), "crystal": n_best, "place": 4, "reason": len(EXCLUDED)}
    options = _Options(threshold, false_discovery_rate, least_agreement, n_best)
    result = lazy.whole(
        functools.partial(_finish, index=(n_features, n_samples, seed), options=options),
        found.corner,
        found.score,
        found.counts,
        moments.n_used,
        near.distance,
        *(draw[name] for name in ("agreement", "n_pairs") for draw in draws),
        outputs={output.name: output.result(sizes) for output in _OUTPUTS},
        memory=Memory(finish=3 * 8 * len(KINDS) * MOST * n_surrogates + 100 * MOST),
    )
    return result.assign_coords(kind=list(KINDS), threshold=list(threshold), reason=list(EXCLUDED), place=list("abcd"))


@dataclass(frozen=True)
class _Options:
    """Parameters that say what is counted and listed."""

    threshold: tuple[float, ...]
    rate: float
    least: float
    n_best: int


def _check_thresholds(threshold: tuple[float, ...], least: float) -> None:
    """Raise if a threshold is given twice, or is below what the search keeps."""
    if not threshold or len(set(threshold)) < len(threshold) or not all(least <= value <= 1 for value in threshold):
        raise ParameterError(
            f"crystal_search: threshold: got {threshold}, expected different agreements from least_agreement, {least}, "
            "to 1"
        )


def _searched(decoder: Array, distance: Array, neighbour: Array, *, k: int, least: float) -> lazy.Arrays:
    """The quadruples of the data, in arrays of fixed size."""
    unit, used = directions(decoder)
    rows = unit
    if len(used) < len(decoder):
        # Rows of 0 keep their places, so that neighbours and corners are numbered alike.
        rows = np.zeros(decoder.shape)
        rows[used] = unit
    found = find_quadruples(rows, mutual_pairs(distance, neighbour, k), least)
    corner, score = np.full((2 * MOST, 4), -1), np.full((2 * MOST, 2), np.nan)
    corner[: len(found.corner)] = found.corner
    # Arrays have a fixed size, because how many quadruples there are is known only now.
    score[: len(found.cosine)] = np.stack([found.cosine, found.residual], axis=1)
    return {"corner": corner, "score": score, "counts": [len(found.cosine), found.n_pairs, *found.n_excluded]}


def _drawn(decoder: xr.DataArray, moments: xr.Dataset, index: int, *, k: int, least: float, seed: int) -> xr.Dataset:
    """Agreements of the quadruples of one surrogate (kind, quadruple), the best first, and its number of pairs."""
    from saegeom_data.metrics._kernels.nearest import nearest_bytes

    n, hidden = decoder.shape
    searching = max(nearest_bytes(min(n, 8192), hidden, k) + 4 * 16 * n * k, search_bytes(n * k // 2, hidden))
    return lazy.whole(
        functools.partial(_drawn_agreements, hidden=hidden, index=index, k=k, least=least, seed=seed),
        moments.n_used,
        moments.spectrum,
        moments.principal_mean,
        outputs={"agreement": Result(("kind", "quadruple"), (len(KINDS), MOST)), "n_pairs": Result()},
        memory=Memory(finish=8 * n * hidden + max(3 * 8 * hidden**2, searching), lower="n_samples"),
    )


def _drawn_agreements(
    n_used: Array, spectrum: Array, mean: Array, *, hidden: int, index: int, k: int, least: float, seed: int
) -> lazy.Arrays:
    """One surrogate: agreements (kinds, quadruples), descending and padded with -inf, and its number of pairs.

    NaN where no surrogate has the moments of the data.
    """
    from saegeom_data.metrics._kernels.nearest import nearest

    n = int(n_used)
    rng = stream(spectrum_matched.LABEL, seed, index)
    rows = spectrum_matched.matched_rows(n, spectrum, mean, rng) if n >= 2 else None
    if rows is None:
        return {"agreement": np.full((len(KINDS), MOST), np.nan), "n_pairs": np.nan}
    near = nearest(rows, k)
    found = find_quadruples(rows, mutual_pairs(near.distance, near.index, k), least)
    agreement = np.full((len(KINDS), MOST), -np.inf)
    for row, kind in zip(agreement, KINDS, strict=True):
        ranked = found.ranked(kind, least)
        row[: len(ranked)] = found.agreement(kind)[ranked]
    return {"agreement": agreement, "n_pairs": found.n_pairs}


def _finish(
    corner: Array,
    score: Array,
    counts: Array,
    n_used: Array,
    distance: Array,
    *draws: Array,
    index: tuple[int, int | None, int],
    options: _Options,
) -> lazy.Arrays:
    """All outputs, from the data's quadruples and those of surrogates: first agreements, then numbers of pairs."""
    n_found, n_pairs, *n_excluded = counts.tolist()
    found = Quadruples(corner[:n_found], score[:n_found, 0], score[:n_found, 1], n_pairs, np.array(n_excluded))
    # Agreements of all surrogates come first, and behind them their numbers of pairs.
    null = np.stack(draws[: len(draws) // 2], axis=1)
    drawn = drawn_index(*index)
    by_kind = [_of_kind(found, kind, agreement, drawn, options) for kind, agreement in zip(KINDS, null, strict=True)]
    return {name: np.stack([numbers[name] for numbers in by_kind]) for name in by_kind[0]} | {
        "n_pairs": n_pairs,
        "n_pairs_null_mean": np.mean(draws[len(draws) // 2 :]),
        "n_excluded": n_excluded,
        "n_features_used": n_used,
        "n_features_dropped": len(distance) - int(n_used),
        "n_duplicates": np.count_nonzero(distance[:, 0] < COPY),
    }


def _of_kind(found: Quadruples, kind: str, null: Array, drawn: Array, options: _Options) -> dict[str, Any]:
    """All outputs of one kind; ``null`` (surrogate, quadruple) is padded with -inf, NaN where there is no surrogate."""
    ranked, n_best = found.ranked(kind, options.least), options.n_best
    agreement, corner = found.agreement(kind)[ranked], found.corner[ranked]
    # Over all that were found: a q of the listed ones alone would not hold for them.
    q = np.full(len(ranked), np.nan) if np.isnan(null).any() else q_values(agreement, null)
    n_crystals = int(np.count_nonzero(q <= options.rate))
    family = _families(corner[:n_crystals])
    listed = ranked[:n_best]
    return {
        "n_crystals": n_crystals,
        "n_false_expected": q[n_crystals - 1] * n_crystals if n_crystals else 0.0,
        "n_families": len(np.unique(family)),
        **_largest(agreement, null),
        **_counted(agreement, null, options.threshold),
        "corner": _padded(drawn[corner[:n_best]], n_best, -1),
        "trapezoid_cosine": _padded(found.cosine[listed], n_best, np.nan),
        "parallelogram_residual": _padded(found.residual[listed], n_best, np.nan),
        "q": _padded(q[:n_best], n_best, np.nan),
        "family": _padded(family[:n_best], n_best, -1),
    }


def _families(corner: Array) -> Array:
    """Group of each crystal (crystals,), by the pairs that they share, in the order of their best."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(corner)
    if not n:
        return np.empty(0, np.int64)
    pair = np.unique(np.sort(corner.reshape(-1, 2), axis=1), axis=0, return_inverse=True)[1].reshape(-1)
    size = n + int(pair.max()) + 1
    # Crystals and pairs are nodes, as edges between crystals grow with the square of those that share a pair.
    edges = coo_array((np.ones(2 * n), (np.repeat(np.arange(n), 2), n + pair)), shape=(size, size))
    label = connected_components(edges, directed=False)[1][:n]
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse])


def _largest(agreement: Array, null: Array) -> dict[str, Any]:
    """The best agreement of the data and of surrogates; a cloud without a quadruple counts as the least of all."""
    best = null.max(axis=1)
    some = best[np.isfinite(best)]
    observed = agreement[0] if len(agreement) else -np.inf
    return {
        "largest_agreement": observed if len(agreement) else np.nan,
        "largest_agreement_null_mean": some.mean() if len(some) else np.nan,
        "largest_agreement_p": np.where(np.isnan(best).any(), np.nan, tail(observed, best)),
    }


def _counted(agreement: Array, null: Array, threshold: Sequence[float]) -> dict[str, Array]:
    """Numbers of quadruples at and above each threshold, and their excess over surrogates."""
    # A sum of squares may fall short of a threshold by rounding.
    limits = np.asarray(threshold, float)[:, None] - 1e-12
    count = np.count_nonzero(agreement >= limits, axis=1)
    draws = np.where(np.isnan(null).any(), np.nan, np.count_nonzero(null[:, None] >= limits, axis=2).T)
    mean, sd, p = summary_of(count.astype(float), draws)
    low, high = poisson_interval(draws.sum(axis=1), draws.shape[1])
    return {
        "n_quadruples": count,
        "n_quadruples_null_mean": mean,
        "n_quadruples_null_sd": sd,
        "n_quadruples_p": p,
        "excess": count - mean,
        "excess_low": count - high,
        "excess_high": count - low,
    }


def _padded(values: Array, size: int, fill: float) -> Array:
    """``values`` (n, ...) with ``fill`` behind them, (size, ...)."""
    padded = np.full((size, *values.shape[1:]), fill)
    padded[: len(values)] = values
    return padded
