"""Crystals among features: families of pairs whose offsets agree, held against two null models."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare import Null
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.lazy import Memory, Result, Work, ordering
from saegeom_data.metrics._shared.directions import (
    check_rows,
    direction_moments,
    direction_neighbours,
    drawn_index,
    drawn_rows,
)
from saegeom_data.metrics._shared.distinct_rows import distinct_rows
from saegeom_data.metrics.atom.crystal_search._judged import Options, judged
from saegeom_data.metrics.atom.crystal_search._nuisances import NUISANCES
from saegeom_data.metrics.atom.crystal_search._outputs import ORDERED, OUTPUTS, TURNED
from saegeom_data.metrics.atom.crystal_search._quadruples import EXCLUDED, KINDS, MOST
from saegeom_data.metrics.atom.crystal_search._search import PARTS, cluster_parts, data_quadruples, surrogate_ties
from saegeom_data.metrics.atom.crystal_search.guidance import GUIDANCE
from saegeom_data.metrics.nulls import exchanged_offsets, spectrum_matched
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

_NULLS = (
    Null(spectrum_matched.LABEL, "directions of the same mean and covariance", "n_surrogates"),
    Null(exchanged_offsets.LABEL, "directions whose offsets are exchanged between clusters", "n_surrogates"),
)
_NAMES = tuple(output.name for output in OUTPUTS)


def _planted() -> xr.Dataset:
    from saegeom_data.testing.simulate import simulate_crystals

    return simulate_crystals(n_features=240, n_hidden=40, n_parallelograms=6, n_trapezoids=0)


def _isotropic() -> xr.Dataset:
    from saegeom_data.testing.simulate import simulate_crystals

    return simulate_crystals(n_features=240, n_hidden=40, n_parallelograms=0, n_trapezoids=0)


@metric(
    version=3,
    scale="atom",
    inputs=(schema.decoder,),
    optional=(schema.occurrence, schema.mean_position),
    outputs=OUTPUTS,
    invariances={
        "rotation": tuple(name for name in _NAMES if name not in TURNED),
        "permutation": tuple(name for name in _NAMES if name not in ORDERED),
        "scale": _NAMES,
    },
    pattern="pairs",
    reference="Li et al. 2025, section 3; false discovery rate: Barber and Candès 2015",
    presentation="saegeom_data.metrics.atom.crystal_search.presentation:PRESENTATION",
    nulls=_NULLS,
    quick={"n_surrogates": 3, "n_best": 10, "n_pairs_listed": 40},
    anchors=(
        Anchor("planted parallelograms are found", _planted, {"n_families": (6.0, 0.0)}),
        Anchor("random directions have no crystals", _isotropic, {"n_families": (0.0, 0.0)}),
    ),
    guidance=GUIDANCE,
)
def crystal_search(
    sae: xr.Dataset,
    *,
    k: Annotated[int, Field(ge=1)] = 10,
    least_agreement: Annotated[float, Field(gt=0, lt=1)] = 0.5,
    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)] = 0.05,
    n_best: Annotated[int, Field(ge=1)] = 20,
    n_pairs_listed: Annotated[int, Field(ge=1)] = 1000,
    n_surrogates: Annotated[int, Field(ge=1)] = 20,
    n_samples: Annotated[int, Field(ge=1)] | None = None,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    r"""Search feature directions for crystals: families of pairs whose offsets agree more than chance explains.

    Candidates are pairs of features, each among the k nearest neighbours of the other. Two pairs (a, b) and (c, d) are
    a quadruple if their offsets :math:`b - a` and :math:`d - c` agree:

    - as a ``trapezoid``, by :math:`|\cos(b - a, d - c)|`, the offsets normalised;
    - as a ``parallelogram``, by :math:`1 - r^2 / 2` with the residual
      :math:`r = 2 |(b - a) - (d - c)| / (|b - a| + |d - c|)`, the offsets plain. For offsets of one length that is the
      cosine, and never more than it otherwise: parallelograms are trapezoids, and a good trapezoid may be a poor
      parallelogram.

    Quadruples share pairs: 34 pairs of one offset make 561 of them, which are one fact. Pairs that quadruples join,
    directly or through others, are therefore a family, and families are what is tested and counted. With the ties that
    it takes to join m pairs, m - 1 of them and the best, the score of a family is
    :math:`\sum_{\mathrm{ties}} \log((1 - f^2) / (1 - a^2))` for agreements a above the floor f: large where pairs are
    many, or agree as offsets never do by chance.

    Parameters
    ----------
    sae
        Dataset with ``decoder`` (features, hidden); ``occurrence`` (blocks, features) and ``mean_position`` (features)
        are used where they are there.
    k
        Nearest neighbours that candidates are among.
    least_agreement
        Agreement below which no quadruple is looked at.
    false_discovery_rate
        Rate at which families are found: those whose q is at most so high under each null.
    n_best
        Families of each kind that are listed at most, those of the highest scores.
    n_pairs_listed
        Pairs of the listed families that are listed at most.
    n_surrogates
        Surrogates of each null model.
    n_samples
        Features drawn without replacement, which are then all that is searched; all by default.
    seed
        Seed of all draws.

    Returns
    -------
    xarray.Dataset
        By ``kind``: ``n_families``, and the highest score and the largest number of pairs with their nulls. By (kind,
        family): score, size, main direction of the offsets, p and q under each null, and whether nuisances rise along
        the offsets. By (kind, pair_listed): the pairs of features, those of the highest family first.

        ``n_excluded`` counts what was left out: combinations of pairs that share a feature, and those in which a
        feature of one pair lies nearer to one of the other, or to the opposite of one, than the features of a pair to
        each other: near copies of a pair, and near opposites, have its offset for no other reason.

        Rows of zero norm are dropped, and copies of a row are merged into it; both are counted. With no family the
        score is 0 and p is 1. A null model without surrogates has p and q NaN, and nothing is found.

    Raises
    ------
    ParameterError
        If k is not below the features, or n_samples exceeds them.

    Notes
    -----
    Nulls: ``spectrum_matched``, Gaussian rows of the same mean and covariance, and ``exchanged_offsets``, offsets
    exchanged between clusters; a family is found if it is beyond both. Their laws, p and q of families, and how
    nuisances are tested are on its page of the guide: ``saegeom guide crystal_search``.

    On the unit sphere parallelograms are rectangles. At most 10,000 quadruples of each kind are kept of a cloud, the
    best.

    Invariant under rotation and scale, and but for indices and p of nuisances under permutation. One pass over pairs of
    features, shared with other metrics of directions, and four in single tasks to find clusters; then pairs ** 2 / 2 *
    hidden multiplications in single precision, and both for each surrogate; pairs are features * k / 2 at most. Memory:
    five times the directions, features * hidden float64, and one more for each surrogate at work: lower n_samples
    where that is too much.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_crystals
    >>> result = crystal_search(simulate_crystals(n_parallelograms=3, n_trapezoids=0))
    >>> int(result.n_families.sel(kind="parallelogram")), result.family_pairs.values[0, :3].tolist()
    (3, [2, 2, 2])
    """
    n_features, hidden = sae.decoder.shape
    check_rows("crystal_search", n_features, n_samples, k)
    rows = drawn_rows(sae.decoder, n_samples, seed)
    distinct = distinct_rows(rows)
    near, moments = direction_neighbours(rows, k, distinct.is_kept), direction_moments(rows, distinct.is_kept)
    found = data_quadruples(rows, near, k=k, least=least_agreement)
    parts = cluster_parts(rows, near.distance, distinct.is_kept, k)
    kept = {
        spectrum_matched.LABEL: {"spectrum": moments.spectrum, "mean": moments.principal_mean},
        exchanged_offsets.LABEL: {name: parts[name] for name in PARTS},
    }
    draws = [
        surrogate_ties(label, moments.n_used, given, (len(rows), hidden), draw, k=k, least=least_agreement, seed=seed)
        for label, given in kept.items()
        for draw in range(n_surrogates)
    ]
    sizes = {
        "kind": len(KINDS),
        "null": len(kept),
        "family": n_best,
        "pair_listed": n_pairs_listed,
        "end": 2,
        "hidden": hidden,
        "nuisance": len(NUISANCES),
        "reason": len(EXCLUDED),
    }
    options = Options(
        false_discovery_rate, least_agreement, n_best, n_pairs_listed, n_features, n_samples, len(kept), seed
    )
    result = lazy.whole(
        functools.partial(judged, options=options),
        # Read once more, for the offsets of what was found: between both readings the decoder need not be held.
        decoder=lazy.again(rows, near.distance),
        corner=found.corner,
        score=found.score,
        counts=found.counts,
        n_used=moments.n_used,
        n_zero=distinct.n_zero,
        n_clusters=parts.n_clusters,
        n_active=_n_active(sae, n_samples, seed),
        mean_position=_mean_position(sae, n_samples, seed),
        tie_pair=[draw.tie_pair for draw in draws],
        tie_agreement=[draw.tie_agreement for draw in draws],
        chance=[draw.chance for draw in draws],
        n_pairs=[draw.n_pairs for draw in draws],
        outputs={output.name: output.result(sizes) for output in OUTPUTS},
        memory=Memory(
            finish=3 * 8 * (len(rows) + hidden**2) + 6 * 8 * hidden * min(2 * MOST, len(rows) * k) + 400 * MOST
        ),
        work=Work(
            products=4 * MOST * hidden**2,
            passes=200 * MOST * (hidden + 2 * len(draws)),
            sorting=ordering(MOST) * len(draws),
            calls=20_000,
        ),
    )
    return result.assign_coords(
        kind=list(KINDS), null=list(kept), nuisance=list(NUISANCES), reason=list(EXCLUDED), end=["from", "to"]
    )


def _n_active(sae: xr.Dataset, n_samples: int | None, seed: int) -> xr.DataArray:
    """Blocks in which each feature in use is on (features,); NaN without an occurrence."""
    import xarray as xr

    index = drawn_index(len(sae.decoder), n_samples, seed)
    if "occurrence" not in sae:
        return xr.DataArray(np.full(len(index), np.nan), dims="features")
    n = sae.sizes["features"]
    n_active: xr.DataArray = lazy.rows(
        _count_on,
        sum,
        _counted,
        sae.occurrence,
        outputs={"n_active": Result(("features",), (n,))},
        memory=Memory(task=8 * n, partial=8 * n, finish=8 * n),
        work=Work(steps=sae.occurrence.size, calls=20),
    )["n_active"]
    return n_active if len(index) == n else n_active.isel(features=index)


def _mean_position(sae: xr.Dataset, n_samples: int | None, seed: int) -> xr.DataArray:
    """Mean position of each feature in use (features,); NaN where it is not known."""
    import xarray as xr

    index = drawn_index(len(sae.decoder), n_samples, seed)
    if "mean_position" not in sae:
        return xr.DataArray(np.full(len(index), np.nan), dims="features")
    known: xr.DataArray = sae["mean_position"]
    return known if len(index) == len(known) else known.isel(features=index)


def _count_on(start: int, block: Array) -> Array:
    return np.asarray(block.sum(axis=0, dtype=np.int64))


def _counted(total: Array) -> lazy.Arrays:
    return {"n_active": total.astype(float)}
