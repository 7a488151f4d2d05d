"""How steeply the covariance spectrum of the decoder rows falls, against laws of rows without structure."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare import Anchor, Null, metric
from saegeom_data.errors import ParameterError
from saegeom_data.metrics._shared.distinct_rows import distinct_rows
from saegeom_data.metrics._statistics.covariance_law import behind_work, law_work
from saegeom_data.metrics._statistics.families import close_pairs_bytes, families_work, family_bytes
from saegeom_data.metrics._statistics.moments import Moments, merge, moments_of, moments_work, pieces, scratch_bytes
from saegeom_data.metrics._statistics.unit_rows import row_norms
from saegeom_data.metrics.galaxy.eigenvalue_slope._fits import FORMS, Window
from saegeom_data.metrics.galaxy.eigenvalue_slope._outputs import NAMES, OUTPUTS, SAMPLED, SCALED
from saegeom_data.metrics.galaxy.eigenvalue_slope._spectrum import NULLS, summarised
from saegeom_data.metrics.galaxy.eigenvalue_slope._uncertainty import axes_used
from saegeom_data.metrics.galaxy.eigenvalue_slope.guidance import GUIDANCE
from saegeom_data.metrics.nulls import families_turned, marchenko_pastur, power_law
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

# Known from the search for equal rows, and not of the spectrum.
_COUNTED = ("n_features_dropped", "n_merged")


@dataclass(frozen=True)
class _Partial:
    """Of the rows that count: moments, sum of directions, and sampled rows (rows, hidden)."""

    moments: Moments
    directions: Array
    sample: Array


def _isotropic() -> xr.Dataset:
    from saegeom_data.testing.simulate import simulate_sae

    return simulate_sae(n_features=4000, n_hidden=160, n_blocks=1)


@metric(
    version=4,
    scale="galaxy",
    inputs=(schema.decoder,),
    outputs=OUTPUTS,
    nulls=(
        Null(marchenko_pastur.LABEL, "isotropic rows of equal norms"),
        Null(families_turned.LABEL, "isotropic rows with the data's norms and families"),
        Null(power_law.LABEL, "rows of a power law"),
    ),
    invariances={
        "rotation": NAMES,
        "permutation": tuple(name for name in NAMES if name not in SAMPLED),
        "scale": tuple(name for name in NAMES if name not in SCALED),
    },
    pattern="rows",
    reference="Li et al. 2025, section 5.1",
    presentation="saegeom_data.metrics.galaxy.eigenvalue_slope.presentation:PRESENTATION",
    quick={"first_rank": 2, "last_rank": 10, "n_influence_rows": 50},
    anchors=(Anchor("isotropic rows follow Marchenko-Pastur", _isotropic, {"slope_excess": (0.0, 0.006)}),),
    guidance=GUIDANCE,
)
def eigenvalue_slope(
    sae: xr.Dataset,
    *,
    first_rank: int = 11,
    last_rank: int = 150,
    first_share: Annotated[float, Field(gt=0, lt=1)] = 0.0048,
    last_share: Annotated[float, Field(gt=0, le=1)] = 0.065,
    n_influence_rows: int = 4096,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    r"""Measure how steeply the covariance eigenvalues of the decoder rows fall with their rank.

    With eigenvalues :math:`\lambda_1 \ge \lambda_2 \ge \dots` of the centred covariance (ddof 1) of the rows, the slope
    is the least-squares slope of :math:`\log_{10} \lambda_r` on :math:`\log_{10} r` over ``first_rank`` to
    ``last_rank``. Isotropic rows have no slope of 0 either. Two laws, which need no simulation, say what they have:
    ``marchenko_pastur``, for independent rows of equal norms, and ``families_turned``, for families of rows turned at
    random, with the norms of the sampled rows and the products of those that are surely close (a row and its opposite
    are one line).

    Parameters
    ----------
    sae
        Dataset with ``decoder`` (features, hidden).
    first_rank, last_rank
        Ranks of the fit, from 1, both included. The default is the published window.
    first_share, last_share
        Ranks of ``slope_by_share`` over the hidden size, which compares SAEs of unlike hidden size. The default are the
        published ranks of 2,304 dimensions.
    n_influence_rows
        Rows drawn without replacement to estimate standard errors from; all rows if there are no more.
    seed
        Seed of that draw.

    Returns
    -------
    xarray.Dataset
        ``eigenvalue`` (rank) and ``eigenvalue_null`` (null, rank); ``slope`` with interval, and ``slope_null`` and p
        (null); ``power_law_bend`` with interval and p; ``slope_by_window`` (window) for starts of 1, ``first_rank`` and
        twice it and ends of half ``last_rank``, it and twice it, then for the shares; and shape summaries.

        Rows of zero norm are dropped and counted; copies, rows equal to an earlier one to a millionth, are merged.
        Fewer rows than dimensions, constant columns and other rank deficiency leave eigenvalues of exactly 0 beyond
        ``n_ranks``: ``log_determinant`` is -inf, and where the window reaches beyond ``n_ranks``, its slope, curvature
        and standard errors are NaN and ``log_volume`` is -inf. If all rows are equal, one counts, and with fewer than
        two rows all estimates are NaN. Where the window takes up all ranks that the rows can have, standard errors are
        infinite. Shares that hold fewer than 3 ranks leave ``slope_by_share`` NaN.

    Raises
    ------
    ParameterError
        If the window has fewer than 3 ranks or ends beyond min(hidden, features - 1), n_influence_rows is under 2, or
        first_share is not below last_share.

    Notes
    -----
    All outputs are invariant under rotation; under permutation all that needs no sample of rows, and the others if
    n_influence_rows is at least the features; under scale all but eigenvalues and their log sums.

    Errors count rows that come in families once, and hold for the expected slope of this many rows. A power law is
    tested by its curvature, against that of one of as many rows. How, and what families they do not see, is on its page
    of the guide: ``saegeom guide eigenvalue_slope``.

    Two passes, any chunks: features * hidden ** 2 multiplications, one eigen-decomposition, and the pairs of sampled
    rows. A block in work holds two matrices of hidden ** 2 float64 beside itself, one that waits to be merged holds
    one, the last step five; the sampled rows come on top.

    References
    ----------
    Marchenko and Pastur 1967, Mathematics of the USSR-Sbornik 1(4); Silverstein and Choi 1995, Journal of Multivariate
    Analysis 54(2); Conley 1999, Journal of Econometrics 92(1) for errors of values that depend on those nearby.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> sae = simulate_sae(n_features=2000, n_hidden=64, spectrum_exponent=1.0)
    >>> result = eigenvalue_slope(sae, first_rank=5, last_rank=50)
    >>> bool((result.slope_high < result.slope_null).all())
    True
    """
    n_features, hidden = sae.decoder.shape
    window = (first_rank, last_rank)
    _check(n_features, hidden, window, n_influence_rows)
    most = min(hidden, n_features - 1)
    share = _share(hidden, most, first_share, last_share)
    windows = (*_windows(window, most), share)
    sizes = {"rank": hidden, "window": len(windows), "null": len(NULLS), "form": len(FORMS)}
    n_sampled = min(n_influence_rows, n_features)
    n_axes = axes_used(hidden, n_features, max(last_rank, share[1]))
    # By row and not by direction: rows of one direction and two norms both count in a covariance.
    kept = distinct_rows(sae.decoder, by="row")
    dataset = lazy.rows(
        functools.partial(_chunk, n_features=n_features, n_sampled=n_sampled, seed=seed),
        _combine,
        functools.partial(_finalize, windows=windows, window=window, share=share),
        lazy.again(sae.decoder, kept.is_kept),
        kept.is_kept,
        outputs={output.name: output.result(sizes) for output in OUTPUTS if output.name not in _COUNTED},
        memory=_memory(sae.decoder, n_sampled, n_axes),
        work=_work(n_features, hidden, n_sampled, n_axes),
    )
    counts = kept[["n_zero", "n_copies"]].rename(n_zero="n_features_dropped", n_copies="n_merged")
    coords = {
        "rank": np.arange(1, hidden + 1),
        "null": list(NULLS),
        "form": list(FORMS),
        "window_first_rank": ("window", [first for first, _ in windows]),
        "window_last_rank": ("window", [last for _, last in windows]),
    }
    return dataset.merge(counts)[list(NAMES)].assign_coords(coords)


def _check(n_features: int, hidden: int, window: Window, n_influence_rows: int) -> None:
    """Raise if the window of ranks does not fit the decoder, or too few rows are sampled."""
    first_rank, last_rank = window
    # Taking the mean away costs one dimension, so n rows have n - 1 eigenvalues at most.
    most = min(hidden, n_features - 1)
    if last_rank > most:
        raise ParameterError(
            f"eigenvalue_slope: last_rank: got {last_rank}, expected at most {most}, the ranks of {n_features} "
            f"features in {hidden} hidden dimensions; lower last_rank (and first_rank)"
        )
    if first_rank < 1 or last_rank < first_rank + 2:
        raise ParameterError(
            f"eigenvalue_slope: first_rank: got ranks {first_rank} to {last_rank}, expected 3 or more from rank 1; "
            "lower first_rank or raise last_rank"
        )
    if n_influence_rows < 2:
        raise ParameterError(f"eigenvalue_slope: n_influence_rows: got {n_influence_rows}, expected at least 2")


def _share(hidden: int, most: int, first_share: float, last_share: float) -> Window:
    """Ranks that two shares of the hidden size come to, within those that there are."""
    if not first_share < last_share:
        raise ParameterError(
            f"eigenvalue_slope: first_share: got {first_share}, expected less than last_share, which is {last_share}"
        )
    return max(1, round(first_share * hidden)), max(1, min(round(last_share * hidden), most))


def _windows(window: Window, most: int) -> tuple[Window, ...]:
    """All pairs of first and last ranks that ``slope_by_window`` is fitted over, but for the shares."""
    first_rank, last_rank = window
    # Windows that begin and end elsewhere show whether the slope is a property of the window.
    firsts = (1, first_rank, 2 * first_rank)
    lasts = (last_rank // 2, last_rank, min(2 * last_rank, most))
    return tuple((first, last) for first in firsts for last in lasts)


def _memory(decoder: xr.DataArray, n_sampled: int, n_axes: int) -> lazy.Memory:
    """Memory of the steps, in bytes."""
    hidden = decoder.sizes["hidden"]
    matrix, sample = 8 * hidden**2, n_sampled * hidden * decoder.dtype.itemsize
    # Samples of all waiting partial results together are one sample, and twice that where they are put together.
    return lazy.Memory(
        task=matrix + scratch_bytes(hidden),
        partial=matrix + sample // 4,
        # Scores of the sampled rows are gone before lines of their families are found.
        finish=5 * matrix
        + sample
        + scratch_bytes(hidden)
        + max(24 * n_sampled * n_axes + close_pairs_bytes(n_sampled, n_axes), family_bytes(n_sampled, hidden)),
    )


def _work(n_features: int, hidden: int, n_sampled: int, n_axes: int) -> lazy.Work:
    """Moments and their spectrum, scores and families of the sampled rows, and laws of spectra."""
    sampled = lazy.Work(products=n_sampled * hidden * n_axes, passes=200 * n_sampled * n_axes, calls=3000)
    laws = behind_work(hidden) + 2 * law_work(hidden)
    families = families_work(n_sampled, hidden, n_axes)
    return moments_work(n_features, hidden) + lazy.eigen(hidden) + sampled + families + laws


def _chunk(start: int, block: Array, is_kept: Array, *, n_features: int, n_sampled: int, seed: int) -> _Partial:
    """Moments of the rows of a block (rows, hidden) that count, sum of their directions, and those sampled."""
    # Rows are drawn from all, whatever the chunks, and looked up by index.
    drawn = np.sort(stream("spectrum_sample", seed).choice(n_features, n_sampled, replace=False))
    drawn = drawn[np.searchsorted(drawn, start) : np.searchsorted(drawn, start + len(block))] - start
    hidden = block.shape[1]
    directions = np.zeros(hidden)
    place = 0

    def used() -> Iterator[Array]:
        nonlocal place
        for rows in pieces(block):
            kept = is_kept[place : place + len(rows)]
            place += len(rows)
            rows = rows if kept.all() else rows[kept]
            directions[:] += (1 / row_norms(rows)) @ rows
            yield rows

    moments = moments_of(used(), hidden)
    return _Partial(moments, directions, block[drawn[is_kept[drawn]]])


def _combine(parts: Sequence[_Partial]) -> _Partial:
    """Partial result of all blocks, with sampled rows in their order."""
    return _Partial(
        merge([part.moments for part in parts]),
        np.sum([part.directions for part in parts], axis=0),
        np.concatenate([part.sample for part in parts]),
    )


def _finalize(partial: _Partial, *, windows: tuple[Window, ...], window: Window, share: Window) -> dict[str, Any]:
    """Outputs from the moments of all rows, and sampled ones."""
    count = partial.moments.count
    return {
        "mean_resultant": np.linalg.norm(partial.directions) / count if count else np.nan,
        "n_features_used": count,
        **summarised(partial.moments, partial.sample, windows, window, share),
    }
