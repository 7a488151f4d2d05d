"""Whether some features are nearest neighbours of very many others: hubs, and antihubs that are nobody's."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.claim import Null
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.lazy import Memory, Work
from saegeom_data.metrics._shared.directions import (
    N_NEIGHBOURS,
    check_rows,
    direction_moments,
    direction_neighbours,
    drawn_index,
    drawn_rows,
)
from saegeom_data.metrics._shared.distinct_rows import distinct_rows
from saegeom_data.metrics.galaxy._shared.cosines import SIMILARITIES, centred_directions, tail_of
from saegeom_data.metrics.galaxy._shared.surrogates import surrogates
from saegeom_data.metrics.galaxy.hubness._lists import N_SUBSAMPLES, Lists, measured_at, subsampling_error
from saegeom_data.metrics.galaxy.hubness._outputs import INTERVALS, MEASURES, OUTPUTS
from saegeom_data.metrics.galaxy.hubness.guidance import GUIDANCE
from saegeom_data.metrics.nulls import spectrum_matched
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


NULLS = (spectrum_matched.LABEL,)
# Lists of so few features hold all others, so that all that are at one distance are known.
_FEW = 512


def _circle() -> xr.Dataset:
    """Directions at equal angles on a circle."""
    import xarray as xr

    angle = 2 * np.pi * np.arange(60) / 60
    return xr.Dataset({"decoder": (("features", "hidden"), np.c_[np.cos(angle), np.sin(angle)])})


@metric(
    version=2,
    scale="galaxy",
    inputs=(schema.decoder,),
    outputs=OUTPUTS,
    invariances={
        "rotation": tuple(output.name for output in OUTPUTS),
        "permutation": tuple(
            output.name
            for output in OUTPUTS
            if "features" not in output.dims and not output.name.endswith(("_low", "_high"))
        ),
        "scale": tuple(output.name for output in OUTPUTS),
    },
    pattern="pairs",
    reference="Radovanović et al. 2010; Suzuki et al. 2013 for centring",
    presentation="saegeom_data.metrics.galaxy.hubness.presentation:PRESENTATION",
    nulls=(
        Null(
            spectrum_matched.LABEL, "Gaussian directions of the same mean and covariance", "n_surrogates", is_dear=True
        ),
    ),
    quick={"k": 5, "n_surrogates": 19},
    anchors=(
        Anchor(
            "directions at equal angles are each in as many lists",
            _circle,
            {"robin_hood": (0.0, 1e-12), "antihub_share": (0.0, 0.0), "largest_occurrence": (2.0, 0.0)},
            {"k": 2, "n_surrogates": 1},
        ),
    ),
    guidance=GUIDANCE,
)
def hubness(
    sae: xr.Dataset,
    *,
    k: Annotated[int, Field(ge=1)] = 10,
    n_surrogates: Annotated[int, Field(ge=1)] = 39,
    n_samples: Annotated[int, Field(ge=1)] | None = None,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    r"""Measure hubs among feature directions: features that are among the nearest neighbours of very many others.

    The k-occurrence :math:`N_k` of a feature is the number of others that have it among their k nearest; its mean is k.
    ``skewness`` is :math:`\overline{(N_k - k)^3} / \overline{(N_k - k)^2}^{3/2}`, ``robin_hood``
    :math:`\sum |N_k - k| / (2 n k)`, and ``antihub_share`` the share of features with :math:`N_k = 0`.

    Parameters
    ----------
    sae
        Dataset with ``decoder`` (features, hidden).
    k
        Nearest neighbours in each feature's list.
    n_surrogates
        Surrogates.
    n_samples
        Features drawn without replacement, which are then all that is measured; all by default.
    seed
        Seed of the draw, the subsamples and the surrogates.

    Returns
    -------
    xarray.Dataset
        Each measure along ``similarity``, with interval (but for ``largest_occurrence``) and null; ``k_occurrence``
        (similarity, features), NaN for features that are dropped or not drawn; counts. ``similarity`` is ``cosine`` or
        ``centred_cosine``: that of directions less their mean.

        Rows of zero norm are dropped and counted; so are, for the centred cosine, directions equal to the mean.
        Directions that agree to 1e-7 are copies: they are merged into the first of them and counted, and each has its
        k-occurrence. Neighbours at the same distance, to 1e-9, share what places they would take: t of them that are
        left m places count m / t each, which is the mean over all ways of breaking the tie. Lists hold 2 k features, at
        least 32, and all of up to 512: where more than that may be at the distance of the last place all measures are
        NaN. They are with k or fewer other rows; ``skewness`` also where all occurrences are equal, and the interval
        where it needs more rows.

    Raises
    ------
    ParameterError
        If k is not below the features, or n_samples exceeds them.

    Notes
    -----
    Cosines to a common mean make hubs: rows near it are near all others. That shows in the cosine, is in the
    surrogates as well (Gaussian rows of unit norm with the mean and covariance of the directions,
    :func:`neighbour_angle`), and goes away with centring (Suzuki et al. 2013). p is one-sided; NaN where there are no
    such surrogates.

    The standard error is the deviation over 30 subsamples of 70 percent of the features, with neighbours among
    themselves, times sqrt(0.7 / 0.3); with the t quantile of 29 degrees. Features share their lists, so that the
    interval is up to 1.6 times too wide where there are no hubs. An ``antihub_share`` of 0 has an interval of no width.

    All outputs are invariant under rotation and scale; intervals and k_occurrence not under permutation. Two passes
    over pairs, the first shared with other metrics of directions: features ** 2 * hidden multiplications each, and two
    for each surrogate, with features * hidden ** 2 for each round of matching (about 5). Memory: features * hidden
    float32 for centred rows, and float64 for a surrogate: lower n_samples where that is too much.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> sae = simulate_sae(n_features=300, n_hidden=40)
    >>> sae["decoder"] = sae.decoder + 0.1
    >>> result = hubness(sae, n_surrogates=19)
    >>> bool(result.skewness.sel(similarity="cosine") > 3 * result.skewness.sel(similarity="centred_cosine"))
    True
    """

    n_features = len(sae.decoder)
    check_rows("hubness", n_features, n_samples, k)
    rows = drawn_rows(sae.decoder, n_samples, seed)
    distinct = distinct_rows(rows)
    moments = direction_moments(rows, distinct.is_kept)
    # Subsamples of 70 percent look for k of their members in these lists, so these must be longer than k.
    n_drawn = max(2 * k, N_NEIGHBOURS)
    n_listed = max(n_drawn, len(rows) - 1) if len(rows) <= _FEW else n_drawn
    near = direction_neighbours(rows, n_listed, distinct.is_kept)
    centred = direction_neighbours(centred_directions(rows, moments["mean"], distinct.is_kept), n_listed)
    draws = [
        surrogates(rows, moments, null, k=n_drawn, n_surrogates=n_surrogates, seed=seed).occurrence for null in NULLS
    ]
    sizes = {"features": n_features, "null": len(NULLS), "similarity": len(SIMILARITIES)}
    result = lazy.whole(
        functools.partial(_finish, index=(n_features, n_samples, seed), k=k),
        distance=near.distance,
        neighbour=near.neighbour,
        centred_distance=centred.distance,
        centred_neighbour=centred.neighbour,
        representative=distinct.representative,
        n_zero=distinct.n_zero,
        draws=draws,
        outputs={output.name: output.result(sizes) for output in OUTPUTS},
        memory=Memory(finish=40 * len(rows) * n_listed, lower="n_samples"),
        # Lists of both similarities are counted in each subsample, and three times beside.
        work=Work(passes=2 * (N_SUBSAMPLES + 3) * 450 * len(rows) * n_listed, calls=5000),
    )
    return result.assign_coords(null=list(NULLS), similarity=list(SIMILARITIES))


def _finish(
    distance: Array,
    neighbour: Array,
    centred_distance: Array,
    centred_neighbour: Array,
    representative: Array,
    n_zero: Array,
    draws: list[Array],
    *,
    index: tuple[int, int | None, int],
    k: int,
) -> lazy.Arrays:
    """All outputs from lists of neighbours (rows, order) and occurrence measures of surrogates.

    Lists are by cosine, and by the cosine of centred rows. ``representative`` (rows,) of each row has its k-occurrence,
    -1 for rows of zero norm. Each of ``draws`` (surrogate, similarity, measure, order) is of one null. ``index`` says
    which features the rows are.
    """

    n = int((representative == np.arange(len(representative))).sum())
    lists = (Lists(distance, neighbour), Lists(centred_distance, centred_neighbour))
    values = np.stack([measured_at(listed, k) for listed in lists], axis=1)
    errors = np.stack([subsampling_error(listed, k, index[2]) for listed in lists], axis=1)
    null = np.stack([np.moveaxis(draw[:, :, :, k - 1], 0, -1) for draw in draws])
    found: dict[str, Any] = {}
    for row, measure in enumerate(MEASURES):
        found |= _compared(measure, values[row], errors[row], null[:, :, row])
    by_feature = np.full((len(SIMILARITIES), index[0]), np.nan)
    for row, listed in enumerate(lists):
        by_feature[row, drawn_index(*index)] = np.where(
            representative < 0, np.nan, listed.known_occurrence(k)[representative]
        )
    return found | {
        "k_occurrence": by_feature,
        "n_features_used": n,
        "n_features_dropped": n_zero,
        "n_merged": len(distance) - n - int(n_zero),
    }


def _compared(measure: str, value: Array, error: Array, null: Array) -> dict[str, Any]:
    """One measure (similarity,) beside its surrogates (null, similarity, surrogate), with its interval.

    Ends are value -+ t(29) * error; shares keep to [0, 1].
    """

    from scipy.special import stdtrit

    found = {
        measure: value,
        f"{measure}_null_mean": null.mean(axis=-1),
        # The deviation of a single surrogate is 0, not NaN.
        f"{measure}_null_sd": null.std(axis=-1, ddof=min(1, null.shape[-1] - 1)),
        f"{measure}_p": np.stack([tail_of(value, draws) for draws in null]),
    }
    if measure in INTERVALS:
        reach = float(stdtrit(N_SUBSAMPLES - 1, 0.975)) * error
        low, high = value - reach, value + reach
        # The other measures with an interval are shares.
        if measure != "skewness":
            low, high = np.maximum(low, 0.0), np.minimum(high, 1.0)
        found |= {f"{measure}_low": low, f"{measure}_high": high}
    return found
