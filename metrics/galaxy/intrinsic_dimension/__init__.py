"""How many dimensions the cloud of feature directions has where it is looked at closely."""

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
from saegeom_data.metrics._shared.directions import (
    check_rows,
    direction_moments,
    direction_neighbours,
    drawn_index,
    drawn_rows,
)
from saegeom_data.metrics._shared.distinct_rows import count_near_copies, distinct_rows
from saegeom_data.metrics.galaxy._shared.cosines import tail_of
from saegeom_data.metrics.galaxy._shared.surrogates import surrogates
from saegeom_data.metrics.galaxy.intrinsic_dimension._outputs import ESTIMATES, OUTPUTS
from saegeom_data.metrics.galaxy.intrinsic_dimension._ratio import (
    Ratio,
    dimensions,
    estimate,
    known_mean,
)
from saegeom_data.metrics.galaxy.intrinsic_dimension.guidance import GUIDANCE
from saegeom_data.metrics.nulls import spectrum_matched
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


NULLS = (spectrum_matched.LABEL,)
# Twice the largest is 32, as many neighbours as metrics of directions have searched already.
SCALES = (1, 2, 4, 8, 16)


_ALL = tuple(output.name for output in OUTPUTS)


def _torus() -> xr.Dataset:
    """A flat torus of two dimensions on the sphere in four, turned into twelve."""
    import xarray as xr

    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, (3000, 2))
    rotation = np.linalg.qr(rng.standard_normal((12, 4)))[0]
    return xr.Dataset({"decoder": (("features", "hidden"), np.c_[np.cos(angle), np.sin(angle)] @ rotation.T)})


@metric(
    version=3,
    scale="galaxy",
    inputs=(schema.decoder,),
    outputs=OUTPUTS,
    invariances={
        "rotation": _ALL,
        "permutation": tuple(output.name for output in OUTPUTS if "features" not in output.dims),
        "scale": _ALL,
    },
    pattern="pairs",
    reference="Facco et al. 2017; Levina and Bickel 2004, MacKay and Ghahramani 2005; Denti et al. 2022",
    presentation="saegeom_data.metrics.galaxy.intrinsic_dimension.presentation:PRESENTATION",
    nulls=(
        Null(
            spectrum_matched.LABEL, "Gaussian directions of the same mean and covariance", "n_surrogates", is_dear=True
        ),
    ),
    quick={"k": (5, 10), "n_surrogates": 19},
    anchors=(
        Anchor(
            "a torus of two dimensions on a sphere of many",
            _torus,
            {"two_nn": (2.0, 0.1), "maximum_likelihood": (2.0, 0.06), "dimension_by_scale": (2.0, 0.1)},
            {"n_surrogates": 1},
        ),
    ),
    guidance=GUIDANCE,
)
def intrinsic_dimension(
    sae: xr.Dataset,
    *,
    k: tuple[int, ...] = (5, 10, 20),
    n_surrogates: Annotated[int, Field(ge=1)] = 39,
    n_samples: Annotated[int, Field(ge=1)] | None = None,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    r"""Estimate the intrinsic dimension of the feature directions from distances to nearest neighbours.

    With :math:`r_j` the distance of a direction to its j-th nearest other one, and means over N directions,

    .. math:: d_{\text{TwoNN}} = \frac{N - 1}{N} \Big/ \overline{\ln (r_2 / r_1)}, \qquad
              d_k = \frac{N(k-1) - 1}{N(k-1)} \Big/ \overline{\tfrac{1}{k-1} \textstyle\sum_{j<k} \ln (r_k / r_j)},
              \qquad
              d_s = \frac{N - 1}{N} \frac{\psi(2s) - \psi(s)}{\overline{\ln (r_{2s} / r_s)}}.

    They hold where density is constant over the distances they use; :math:`d_1` is TwoNN. :math:`d_s` takes from Denti
    et al. the law of :math:`r_{2s} / r_s` and sets the mean of its logarithm to what is expected: a moment estimate,
    consistent like theirs, which has the largest likelihood.

    Parameters
    ----------
    sae
        Dataset with ``decoder`` (features, hidden).
    k
        Numbers of neighbours of ``maximum_likelihood``; ``local_dimension`` uses the largest.
    n_surrogates
        Surrogates.
    n_samples
        Features drawn without replacement, which are then all that is measured; all by default.
    seed
        Seed of the draw and of the surrogates.

    Returns
    -------
    xarray.Dataset
        ``two_nn``, ``maximum_likelihood`` (k) and ``dimension_by_scale`` (scale: 1, 2, 4, 8, 16), each with interval
        and null; ``scale_distance`` (scale); ``local_dimension`` (features), (k - 2) over the sum of
        :math:`\ln (r_k / r_j)`, NaN for features that are dropped or not drawn; counts.

        Rows of zero norm are dropped and counted. Directions that agree to 1e-7 are copies: they are merged into the
        first of them and counted, and each has its local dimension. An estimate that needs more neighbours than there
        are distinct directions is NaN.

    Raises
    ------
    ParameterError
        If k is under 3 or not below the features, or n_samples exceeds the features.

    Notes
    -----
    Distances are those of unit rows, so that n directions in p dimensions have p - 1 dimensions at most. All
    estimators need of the order of exp(dimension) points: from about 20 dimensions on they return far too little
    (about 65 for 1,500 uniform directions in 384 dimensions, whose dimension is 383), the less the more neighbours they
    use. Then only the comparison with ``spectrum_matched`` means something: Gaussian rows of unit norm with the mean
    and covariance of the directions, with the same bias. p is one-sided: small if the data have fewer dimensions than
    their covariance explains, such as clusters or curves. It is NaN where no such rows exist
    (:func:`neighbour_angle`).

    Intervals are of a t law in ln d; the variance of the mean log ratio sums products of deviations over neighbouring
    directions, to half the order in use, because neighbours share distances, and for the farthest of r neighbours the
    law has n / r - 1 degrees of freedom, one for each r of n directions. What they cover is the mean of the estimator
    over samples of this size: its sampling error. That they hold in 0.95 to 1.00 of samples, but where neighbours reach
    through much of the cloud: in 0.92 with 32 of 100 points on a curve through 24 dimensions. They are no intervals of
    the dimension, from which that mean differs where the cloud is curved or has many dimensions: of 400 points on a
    sphere of ten dimensions they hold 10 in 0.80 (TwoNN) and 0.00 (20 neighbours) of samples.

    Near copies, a hundred times nearer to each other than the median direction to its neighbour but no copies to 1e-7,
    lower TwoNN by much: six pairs of 300 directions take it from 10 to 2. ``n_near_copies`` counts them.

    All outputs are invariant under rotation and scale, and but for those over features under permutation. One pass over
    pairs, shared with other metrics of directions: features ** 2 * hidden multiplications, and as many for each
    surrogate, with features * hidden ** 2 for each round of matching (about 5). Memory: a tile of rows in float64; a
    surrogate is held whole, features * hidden float64: lower n_samples where that is too much.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> result = intrinsic_dimension(simulate_sae(n_features=1000, n_hidden=4), n_surrogates=1)
    >>> bool(result.two_nn_low < 3 < result.two_nn_high)
    True
    """

    n_features = len(sae.decoder)
    # The dimension around one row has the factor (k - 2) / (k - 1), which is 0 for k = 2.
    if not k or min(k) < 3 or len(set(k)) < len(k):
        raise ParameterError(f"intrinsic_dimension: k: got {k}, expected different numbers of neighbours from 3")
    check_rows("intrinsic_dimension", n_features, n_samples, max(k))
    rows = drawn_rows(sae.decoder, n_samples, seed)
    distinct = distinct_rows(rows)
    near, moments = direction_neighbours(rows, max(k), distinct.is_kept), direction_moments(rows, distinct.is_kept)
    draws = [surrogates(rows, moments, null, k=max(k), n_surrogates=n_surrogates, seed=seed) for null in NULLS]
    sizes = {"features": n_features, "null": len(NULLS), "surrogate": n_surrogates, "k": len(k), "scale": len(SCALES)}
    result = lazy.whole(
        functools.partial(_finish, index=(n_features, n_samples, seed), k=k),
        distance=near.distance,
        neighbour=near.neighbour,
        representative=distinct.representative,
        n_zero=distinct.n_zero,
        draws=[draw.mean_log_distance for draw in draws],
        outputs={output.name: output.result(sizes) for output in OUTPUTS},
        memory=lazy.Memory(finish=100 * len(rows) * near.sizes["order"], lower="n_samples"),
        work=lazy.Work(
            functions=len(rows) * near.sizes["order"],
            steps=200 * len(rows) * (1 + len(k) + len(SCALES)),
            calls=4000,
        ),
    )
    return result.assign_coords(null=list(NULLS), k=list(k), scale=list(SCALES))


def _finish(
    distance: Array,
    neighbour: Array,
    representative: Array,
    n_zero: Array,
    draws: list[Array],
    *,
    index: tuple[int, int | None, int],
    k: tuple[int, ...],
) -> lazy.Arrays:
    """All outputs from lists of neighbours (rows, order) and mean log distances (surrogate, order) of each null.

    ``representative`` (rows,) of each row holds its neighbours, -1 for rows of zero norm. ``index`` says which features
    the rows are, ``k`` the numbers of neighbours of maximum likelihood.
    """

    n = len(distance)
    n_distinct = int((representative == np.arange(n)).sum())
    log = np.log(distance, out=np.full(distance.shape, np.nan), where=np.isfinite(distance))
    found: dict[str, Any] = {}
    for name, orders in {"two_nn": (1,), "maximum_likelihood": k, "dimension_by_scale": SCALES}.items():
        estimates = np.array([estimate(Ratio.of(name, order), log, neighbour) for order in orders]).T
        null = np.array([[dimensions(name, order, draw, n_distinct) for order in orders] for draw in draws])
        if not ESTIMATES[name][0]:
            estimates, null = estimates[:, 0], null[:, 0]
            found[f"{name}_surrogate"] = null
        found |= _compared(name, estimates, null)
    local = np.full(index[0], np.nan)
    # A row of zero norm has itself for representative here, which has no distances.
    of = np.where(representative < 0, np.arange(n), representative)
    # As of clouds of one row: the factor makes it unbiased, where a mean over many needs none.
    local[drawn_index(*index)] = dimensions("maximum_likelihood", max(k), log, 1)[of]
    return found | {
        "scale_distance": [known_mean(np.exp(log[:, 2 * order - 1])) for order in SCALES],
        "local_dimension": local,
        "n_features_used": n_distinct,
        "n_features_dropped": n_zero,
        "n_merged": n - n_distinct - int(n_zero),
        "n_near_copies": count_near_copies(distance[:, 0]),
    }


def _compared(name: str, estimates: Array, null: Array) -> dict[str, Any]:
    """Estimates (value and ends, ...) beside those of surrogates (null, ..., surrogate)."""
    return {
        name: estimates[0],
        f"{name}_low": estimates[1],
        f"{name}_high": estimates[2],
        f"{name}_null_mean": null.mean(axis=-1),
        f"{name}_null_sd": null.std(axis=-1, ddof=min(1, null.shape[-1] - 1)),
        # Structure lowers the dimension, so small values are the extreme ones.
        f"{name}_p": np.stack([tail_of(-estimates[0], -draws) for draws in null]),
    }
