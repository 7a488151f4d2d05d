"""How evenly feature directions share the space: coherence, frame potential and dimensions per feature."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.claim import Null
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.errors import ParameterError
from saegeom_data.lazy import Memory, Work
from saegeom_data.metrics._shared.directions import check_rows, direction_moments, drawn_index, drawn_rows
from saegeom_data.metrics._shared.distinct_rows import distinct_rows
from saegeom_data.metrics._statistics.sphere_law import cosine_tail, largest_absolute_cosine_mean
from saegeom_data.metrics.galaxy._shared.cosines import tail_of
from saegeom_data.metrics.galaxy._shared.surrogates import surrogates
from saegeom_data.metrics.galaxy.packing._dimensionality import dimensionality_of, second_moments
from saegeom_data.metrics.galaxy.packing._outputs import OUTPUTS
from saegeom_data.metrics.galaxy.packing._pairs import search_all_pairs
from saegeom_data.metrics.galaxy.packing.guidance import GUIDANCE
from saegeom_data.metrics.nulls import spectrum_matched, uniform_sphere
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


NULLS = (uniform_sphere.LABEL, spectrum_matched.LABEL)

_LABELS = ("coherence_pair", "dimensionality")


def _simplex() -> xr.Dataset:
    """Corners of a regular simplex: as many directions as dimensions and one."""
    import xarray as xr

    corners = np.eye(13) - 1 / 13
    rotation = np.linalg.svd(corners)[2][:12]
    return xr.Dataset({"decoder": (("features", "hidden"), corners @ rotation.T)})


@metric(
    version=2,
    scale="galaxy",
    inputs=(schema.decoder,),
    outputs=OUTPUTS,
    invariances={
        "rotation": tuple(output.name for output in OUTPUTS),
        "permutation": tuple(output.name for output in OUTPUTS if output.name not in _LABELS),
        "scale": tuple(output.name for output in OUTPUTS),
    },
    pattern="pairs",
    reference="Welch 1974; Benedetto and Fickus 2003; Elhage et al. 2022",
    presentation="saegeom_data.metrics.galaxy.packing.presentation:PRESENTATION",
    nulls=(
        Null(uniform_sphere.LABEL, "uniform directions"),
        Null(
            spectrum_matched.LABEL, "Gaussian directions of the same mean and covariance", "n_surrogates", is_dear=True
        ),
    ),
    quick={"n_surrogates": 19},
    anchors=(
        Anchor(
            "a simplex meets every bound",
            _simplex,
            {
                "coherence": (1 / 12, 1e-12),
                "coherence_ratio": (1.0, 1e-12),
                "frame_potential_ratio": (1.0, 1e-12),
                "dimensionality": (12 / 13, 1e-12),
                "total_dimensionality": (12.0, 1e-11),
            },
            {"n_surrogates": 1},
        ),
    ),
    guidance=GUIDANCE,
)
def packing(
    sae: xr.Dataset,
    *,
    threshold: tuple[float, ...] = (0.2, 0.3, 0.5, 0.7, 0.9),
    n_surrogates: Annotated[int, Field(ge=1)] = 39,
    n_samples: Annotated[int, Field(ge=1)] | None = None,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    r"""Measure how evenly the feature directions are packed: mutual coherence, frame potential and dimensionality.

    For unit rows :math:`\hat W_i` of n features in d dimensions, ``coherence`` is
    :math:`\max_{i \ne j} |\hat W_i \cdot \hat W_j|`, at least the Welch bound :math:`\sqrt{(n - d) / (d (n - 1))}` and,
    for :math:`n > d (d + 1) / 2`, the orthoplex bound :math:`1 / \sqrt d`. The frame potential is
    :math:`\sum_{ij} (\hat W_i \cdot \hat W_j)^2 \ge n^2 / d`. The dimensionality of a feature is
    :math:`D_i = |W_i|^2 / \sum_j (\hat W_i \cdot W_j)^2`: 1 if it is orthogonal to all others, 1/2 if it shares a
    dimension with its opposite.

    Parameters
    ----------
    sae
        Dataset with ``decoder`` (features, hidden).
    threshold
        Absolute cosines above which pairs are counted; those within 1e-9 of it are not.
    n_surrogates
        Surrogates.
    n_samples
        Features drawn without replacement, which are then all that is measured; all by default.
    seed
        Seed of the draw and of the surrogates.

    Returns
    -------
    xarray.Dataset
        ``coherence`` with the pair that has it, bounds and nulls; pairs above each threshold; squared cosines and
        frame potential with their bound; ``dimensionality`` (features), NaN for features that are dropped or not drawn,
        and its sum; counts.

        Rows of zero norm are dropped and counted. Directions that agree to 1e-7 are copies: they are merged into the
        first of them and counted, and each has its dimensionality. An opposite makes a coherence of 1. With fewer than
        two distinct directions all that is of pairs is NaN, and no pair is above a threshold.

    Raises
    ------
    ParameterError
        If a threshold is outside [0, 1), or n_samples exceeds the features.

    Notes
    -----
    Nulls: on the sphere the cosines of different pairs are independent two by two. So the numbers of pairs expected
    above a threshold are exact; the coherence law is that of as many independent pairs, which is near it for large n
    (Cai, Fan and Jiang 2013); and :math:`\tfrac{d (d + 2)}{2} (FP / n - n / d)` has the mean of chi-squared with
    (d - 1) (d + 2) / 2 degrees and its variance but for a factor 1 - 1 / n, which gives ``mean_squared_cosine_p``.
    Surrogates of ``spectrum_matched`` (:func:`neighbour_angle`) have the frame potential of the data, as it follows
    from their second moments alone: only coherence is compared with them. All p are one-sided, small for rows more
    coherent than the null. Nothing here estimates more than these rows, so there are no intervals.

    Invariant under rotation, permutation (but for values by feature) and scale. Two readings and one pass over pairs:
    features * hidden ** 2 multiplications three times in double precision, features ** 2 * hidden / 2 in single, which
    only finds pairs: cosines that matter are taken again in double. Surrogates as for :func:`neighbour_angle`. Memory:
    a tile of rows in float64 and two matrices of hidden ** 2 for each block in work.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> result = packing(simulate_sae(n_features=100, n_hidden=100), n_surrogates=1)
    >>> bool(45 < result.total_dimensionality < 55)
    True
    """

    n_features, hidden = sae.decoder.shape
    # No cosine exceeds 1, so that a threshold there could only count 0.
    if not all(0 <= cosine < 1 for cosine in threshold) or len(set(threshold)) < len(threshold):
        raise ParameterError(f"packing: threshold: got {threshold}, expected different cosines from 0 to below 1")
    check_rows("packing", n_features, n_samples, 0)
    rows = drawn_rows(sae.decoder, n_samples, seed)
    distinct = distinct_rows(rows)
    # The sum over all rows is a pass of its own: each row's overlap is measured against it.
    second = second_moments(rows, distinct.is_kept)
    moments = direction_moments(rows, distinct.is_kept)
    draws = surrogates(rows, moments, spectrum_matched.LABEL, k=1, n_surrogates=n_surrogates, seed=seed)
    pairs = search_all_pairs(rows, distinct.is_kept, threshold)
    sizes = {"features": n_features, "null": 2, "surrogate": n_surrogates, "threshold": len(threshold), "end": 2}
    result = lazy.whole(
        functools.partial(_finish, index=(n_features, n_samples, seed), hidden=hidden, threshold=threshold),
        dimensionality=dimensionality_of(rows, second.raw),
        unit_square=second.unit_square,
        representative=distinct.representative,
        n_zero=distinct.n_zero,
        coherence=pairs.coherence,
        pair=pairs.coherence_pair,
        n_pairs_above=pairs.n_pairs_above,
        surrogate=draws.coherence,
        outputs={output.name: output.result(sizes) for output in OUTPUTS},
        memory=Memory(finish=32 * len(rows)),
        work=Work(passes=100 * len(rows), calls=1000),
    )
    return result.assign_coords(null=list(NULLS), threshold=list(threshold))


def _finish(
    dimensionality: Array,
    unit_square: Array,
    representative: Array,
    n_zero: Array,
    coherence: Array,
    pair: Array,
    n_pairs_above: Array,
    surrogate: Array,
    *,
    index: tuple[int, int | None, int],
    hidden: int,
    threshold: tuple[float, ...],
) -> lazy.Arrays:
    """All outputs from dimensionality (rows,), tr of the squared sum of unit outer products, and the search of pairs.

    ``representative`` (rows,) of each row has its dimensionality, -1 for rows of zero norm. ``surrogate`` (surrogate,)
    are coherences under ``spectrum_matched``; ``index`` says which features the rows are.
    """

    drawn, is_kept = drawn_index(*index), representative == np.arange(len(representative))
    n = int(is_kept.sum())
    by_feature = np.full(index[0], np.nan)
    by_feature[drawn] = np.where(representative < 0, np.nan, dimensionality[representative])
    found = {
        "coherence": coherence,
        "coherence_pair": np.where(pair < 0, -1, drawn[pair]),
        "coherence_surrogate": surrogate,
        "n_pairs_above": n_pairs_above,
        "dimensionality": by_feature,
        "total_dimensionality": dimensionality[is_kept].sum() if n else np.nan,
        "n_features_used": n,
        "n_features_dropped": n_zero,
        "n_merged": len(dimensionality) - n - int(n_zero),
    }
    if n < 2:
        undefined = {output.name: np.full(len(NULLS), np.nan) if output.dims else np.nan for output in OUTPUTS}
        return undefined | {"n_pairs_above_sphere": np.zeros(len(threshold))} | found
    return (
        found
        | _against_bounds(float(coherence), float(unit_square), n, hidden)
        | {
            # The law is of one tail: twice it, times half of n (n - 1) pairs.
            "n_pairs_above_sphere": n * (n - 1) * cosine_tail(np.array(threshold), hidden),
            "coherence_null_mean": [largest_absolute_cosine_mean(n * (n - 1) // 2, hidden), surrogate.mean()],
            "coherence_p": [_sphere_p(float(coherence), n, hidden), tail_of(coherence, surrogate)],
        }
    )


def _sphere_p(coherence: float, n: int, hidden: int) -> float:
    """P of so large a coherence among n (n - 1) / 2 independent pairs: 1 - (1 - P(|cos| > coherence))^pairs."""
    pair = 2 * float(cosine_tail(coherence, hidden)) if hidden > 1 else 1.0
    # log1p and expm1 keep probabilities that 1 - p would round away.
    return float(-np.expm1(n * (n - 1) / 2 * np.log1p(-pair))) if pair < 1 else 1.0


def _against_bounds(coherence: float, unit_square: float, n: int, hidden: int) -> dict[str, Any]:
    """Coherence and frame potential FP beside their bounds for n rows in d dimensions.

    Welch: sqrt((n - d) / (d (n - 1))); orthoplex: 1 / sqrt(d) for n > d (d + 1) / 2; least FP: max(n^2 / d, n).
    Bingham's statistic d (d + 2) / 2 (FP / n - n / d) is chi-squared with (d - 1) (d + 2) / 2 degrees.
    """

    from scipy.special import chdtrc

    welch = np.sqrt(max(n - hidden, 0) / (hidden * (n - 1)))
    bound = max(n**2 / hidden, float(n))
    statistic = hidden * (hidden + 2) / 2 * (unit_square / n - n / hidden)
    degrees = (hidden - 1) * (hidden + 2) / 2
    return {
        "welch_bound": welch,
        "coherence_ratio": coherence / welch if welch > 0 else np.inf,
        "orthoplex_bound": hidden**-0.5 if n > hidden * (hidden + 1) / 2 else np.nan,
        "mean_squared_cosine": (unit_square - n) / (n * (n - 1)),
        # In one dimension all squared cosines are 1, as they are for uniform directions.
        "mean_squared_cosine_p": chdtrc(degrees, max(statistic, 0.0)) if degrees else 1.0,
        "frame_potential": unit_square,
        "frame_potential_bound": bound,
        "frame_potential_ratio": unit_square / bound,
    }
