"""How close features lie to their nearest neighbour in direction, against the exact law on the sphere."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.claim import Null
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.metrics._shared.directions import (
    check_rows,
    direction_moments,
    direction_neighbours,
    drawn_index,
    drawn_rows,
)
from saegeom_data.metrics._shared.distinct_rows import distinct_rows
from saegeom_data.metrics._statistics.sphere_law import (
    largest_cosine_mean,
    largest_cosine_quantiles,
    largest_cosine_tail,
)
from saegeom_data.metrics.galaxy._shared.cosines import (
    BIN_EDGES,
    QUANTILES,
    cosine_statistics,
    dependent_error,
    tail_of,
)
from saegeom_data.metrics.galaxy._shared.surrogates import surrogates
from saegeom_data.metrics.galaxy.neighbour_angle._outputs import OUTPUTS
from saegeom_data.metrics.galaxy.neighbour_angle.guidance import GUIDANCE
from saegeom_data.metrics.nulls import spectrum_matched, uniform_sphere
from saegeom_data.results.intervals import ROUNDED_NORMAL_QUANTILE
from saegeom_data.testing.simulate import simulate_sae
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


NULLS = (uniform_sphere.LABEL, spectrum_matched.LABEL)

_ALL = tuple(output.name for output in OUTPUTS)


def _isotropic() -> xr.Dataset:
    return simulate_sae(n_features=2000, n_hidden=40, n_blocks=1)


@metric(
    version=2,
    scale="galaxy",
    inputs=(schema.decoder,),
    outputs=OUTPUTS,
    invariances={
        "rotation": _ALL,
        "permutation": tuple(output.name for output in OUTPUTS if "features" not in output.dims),
        "scale": _ALL,
    },
    pattern="pairs",
    reference="Li et al. 2025, section 5.2; law of cosines on the sphere: Cai, Fan and Jiang 2013",
    presentation="saegeom_data.metrics.galaxy.neighbour_angle.presentation:PRESENTATION",
    nulls=(
        Null(uniform_sphere.LABEL, "uniform directions", "n_surrogates", is_dear=True),
        Null(
            spectrum_matched.LABEL, "Gaussian directions of the same mean and covariance", "n_surrogates", is_dear=True
        ),
    ),
    quick={"n_surrogates": 19},
    anchors=(
        Anchor(
            "isotropic rows follow the law on the sphere",
            _isotropic,
            {"mean_cosine": (0.512719, 0.006)},
            {"n_surrogates": 1},
        ),
    ),
    guidance=GUIDANCE,
)
def neighbour_angle(
    sae: xr.Dataset,
    *,
    threshold: Annotated[float, Field(gt=-1, lt=1)] = 0.5,
    n_surrogates: Annotated[int, Field(ge=1)] = 39,
    n_samples: Annotated[int, Field(ge=1)] | None = None,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    r"""Measure the cosine of each feature's direction and its nearest neighbour's.

    For two independent uniform directions in p dimensions, (1 + cos) / 2 follows the Beta law F of both parameters
    (p - 1) / 2. Given one direction its n - 1 cosines with others are independent, so the largest follows
    :math:`F^{n-1}` exactly; that gives the expected mean, quantiles and histogram of the null ``uniform_sphere``.

    Parameters
    ----------
    sae
        Dataset with ``decoder`` (features, hidden).
    threshold
        Cosine that ``share_above`` refers to.
    n_surrogates
        Surrogates of each null.
    n_samples
        Features drawn without replacement, which are then all that is measured; all by default.
    seed
        Seed of the draw and of the surrogates.

    Returns
    -------
    xarray.Dataset
        ``mean_cosine`` with interval, nulls, p and surrogates; quantiles and histogram, with nulls; ``share_above``;
        ``neighbour_cosine`` and ``neighbour`` (features), NaN and -1 for features that are dropped or not drawn;
        counts. The edges of the bins are the coordinates ``bin_low`` and ``bin_high``.

        Rows of zero norm are dropped and counted. Directions that agree to 1e-7 are copies: they are merged into the
        first of them and counted, and each has its neighbour. With one distinct direction only, all estimates are NaN.

    Raises
    ------
    ParameterError
        If n_samples exceeds the features, or another parameter is out of its range.

    Notes
    -----
    p is one-sided and from surrogates, because the n nearest neighbours depend on each other: two that are each
    other's nearest share their cosine. Against ``uniform_sphere`` p is exact. ``spectrum_matched`` surrogates are
    Gaussian rows divided by their norms and brought to the very mean and covariance of the n directions, in all hidden
    dimensions; p is then uniform, as tests show, for directions of Gaussian rows of any mean and covariance. It is NaN
    where no such rows exist: with fewer than rank + 2 of them, or moments that Gaussian rows of unit norm cannot have,
    such as those of two points. It has little power unless there are several times as many rows as dimensions.

    The interval is normal, around the mean cosine expected of so many rows; its variance sums products of deviations
    over features and their nearest neighbours. It is somewhat wide in few dimensions.

    All outputs are invariant under rotation and scale, and but for those over features under permutation. One pass over
    pairs, shared with other metrics of directions: features ** 2 * hidden multiplications, and as many for each
    surrogate, with features * hidden ** 2 for each round of matching (about 5). Memory: a tile of rows in float64; a
    surrogate is held whole, features * hidden float64: lower n_samples where that is too much.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> sae = simulate_sae(n_features=200, n_hidden=16, n_lobes=20, geometry_strength=1.0)
    >>> result = neighbour_angle(sae, n_surrogates=19)
    >>> result.p.values.tolist()
    [0.05, 0.05]
    """

    n_features = len(sae.decoder)
    check_rows("neighbour_angle", n_features, n_samples, 0)
    rows = drawn_rows(sae.decoder, n_samples, seed)
    distinct = distinct_rows(rows)
    near, moments = direction_neighbours(rows, 1, distinct.is_kept), direction_moments(rows, distinct.is_kept)
    sphere, matched = (surrogates(rows, moments, null, k=1, n_surrogates=n_surrogates, seed=seed) for null in NULLS)
    finish = functools.partial(_finish, index=(n_features, n_samples, seed), hidden=rows.shape[1], threshold=threshold)
    sizes = {
        "features": n_features,
        "null": len(NULLS),
        "surrogate": n_surrogates,
        "quantile": len(QUANTILES),
        "bin": len(BIN_EDGES) - 1,
    }
    result = lazy.whole(
        finish,
        distance=near.distance,
        neighbour=near.neighbour,
        representative=distinct.representative,
        n_zero=distinct.n_zero,
        mean_cosine=[sphere.mean_cosine, matched.mean_cosine],
        quantile_cosine=matched.quantile_cosine,
        histogram=matched.histogram,
        outputs={output.name: output.result(sizes) for output in OUTPUTS},
        memory=lazy.Memory(finish=250 * len(rows), lower="n_samples"),
        work=lazy.Work(steps=60 * len(rows), calls=2000),
    )
    return result.assign_coords(
        null=list(NULLS),
        quantile=list(QUANTILES),
        bin_low=("bin", BIN_EDGES[:-1]),
        bin_high=("bin", BIN_EDGES[1:]),
    )


def _finish(
    distance: Array,
    neighbour: Array,
    representative: Array,
    n_zero: Array,
    mean_cosine: list[Array],
    quantile_cosine: Array,
    histogram: Array,
    *,
    index: tuple[int, int | None, int],
    hidden: int,
    threshold: float,
) -> lazy.Arrays:
    """All outputs from lists of neighbours (rows, order) and cosine statistics of the surrogates of both nulls.

    ``representative`` (rows,) of each row holds its neighbours, -1 for rows of zero norm. ``mean_cosine`` (surrogate,)
    is of each null; ``quantile_cosine`` (surrogate, quantile) and ``histogram`` (surrogate, bin) are of the second.
    """

    found = cosine_statistics(distance)
    n, mean = int((representative == np.arange(len(representative))).sum()), float(found["mean_cosine"])
    sphere, matched = _sphere(n, hidden, threshold), _matched(mean_cosine[1], quantile_cosine, histogram, threshold)
    surrogate = np.stack(mean_cosine)
    null = {name: np.stack([sphere[name], matched[name]]) for name in sphere}
    has_neighbour = np.isfinite(distance[:, 0])
    cosine = np.where(has_neighbour, 1 - distance[:, 0] ** 2 / 2, np.nan)
    reach = ROUNDED_NORMAL_QUANTILE * dependent_error(cosine, neighbour[:, :1]) if has_neighbour.any() else np.nan
    drawn = drawn_index(*index)
    by_feature = {"neighbour_cosine": np.full(index[0], np.nan), "neighbour": np.full(index[0], -1)}
    # A row of zero norm has itself for representative here, which has no neighbour.
    of = np.where(representative < 0, np.arange(len(representative)), representative)
    by_feature["neighbour_cosine"][drawn] = cosine[of]
    by_feature["neighbour"][drawn] = np.where(has_neighbour, drawn[neighbour[:, 0]], -1)[of]
    return {
        **found,
        **null,
        **by_feature,
        "mean_cosine_low": mean - reach,
        "mean_cosine_high": mean + reach,
        "mean_cosine_null_sd": surrogate.std(axis=1, ddof=min(1, surrogate.shape[1] - 1)),
        "mean_cosine_excess": mean - null["mean_cosine_null"],
        "p": tail_of(np.full(len(NULLS), mean), surrogate),
        "mean_cosine_surrogate": surrogate,
        "share_above": (cosine[has_neighbour] > threshold).mean() if has_neighbour.any() else np.nan,
        "n_features_used": n,
        "n_features_dropped": n_zero,
        "n_merged": len(distance) - n - int(n_zero),
    }


def _sphere(n: int, hidden: int, threshold: float) -> dict[str, Array]:
    """What the exact law F^(n - 1) of the largest of n - 1 cosines expects of n uniform directions."""
    if n < 2:
        sizes = {"quantile_cosine_null": len(QUANTILES), "histogram_null": len(BIN_EDGES) - 1}
        scalars = dict.fromkeys(("mean_cosine_null", "share_above_null"), np.asarray(np.nan))
        return scalars | {name: np.full(size, np.nan) for name, size in sizes.items()}
    # A cosine of exactly 1 counts in the last bin, as in numpy's histogram.
    above = np.append(largest_cosine_tail(BIN_EDGES[:-1], n - 1, hidden), 0.0)
    # The first bin holds -1 itself, which has a probability of its own in one dimension.
    above[0] = 1.0
    return {
        "mean_cosine_null": np.asarray(largest_cosine_mean(n - 1, hidden)),
        "quantile_cosine_null": largest_cosine_quantiles(np.array(QUANTILES), n - 1, hidden),
        "histogram_null": -np.diff(above),
        "share_above_null": largest_cosine_tail(threshold, n - 1, hidden),
    }


def _matched(mean: Array, quantiles: Array, histogram: Array, threshold: float) -> dict[str, Array]:
    """Means over surrogates of mean (surrogate,), quantiles (surrogate, quantile) and histogram (surrogate, bin).

    The share above the threshold is read off the mean histogram, linearly inside the bin that holds it.
    """

    mean, quantiles, histogram = (draws.mean(axis=0) for draws in (mean, quantiles, histogram))
    return {
        "mean_cosine_null": mean,
        "quantile_cosine_null": quantiles,
        "histogram_null": histogram,
        # Negated, because np.interp expects ascending places and shares are summed from above.
        "share_above_null": np.interp(-threshold, -BIN_EDGES[::-1], np.append(0.0, np.cumsum(histogram[::-1]))),
    }
