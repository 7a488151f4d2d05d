"""How evenly the directions of the decoder rows fill the space, against the exact law of uniform directions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare import Anchor, Null, metric
from saegeom_data.metrics._shared.distinct_rows import distinct_rows
from saegeom_data.metrics._statistics.moments import Moments, merge, moments_of, moments_work, pieces, scratch_bytes
from saegeom_data.metrics._statistics.unit_rows import row_norms
from saegeom_data.metrics.galaxy.isotropy._outputs import OUTPUTS
from saegeom_data.metrics.galaxy.isotropy.guidance import GUIDANCE
from saegeom_data.metrics.nulls import uniform_sphere
from saegeom_data.results.intervals import NORMAL_QUANTILE
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

_ALL = tuple(output.name for output in OUTPUTS)
# With fewer directions p of 0.001 come out up to three times too often.
_LEAST_TESTED = 16
# Of a participation ratio.
_ROUNDING = 1e-12


def _uniform() -> xr.Dataset:
    from saegeom_data.testing.simulate import simulate_sae

    return simulate_sae(n_features=3000, n_hidden=60, n_blocks=1)


def _planted_axes() -> xr.Dataset:
    """Rows along the axes of the space, half of them backwards: no mean, and equal second moments."""
    import xarray as xr

    return xr.Dataset({"decoder": (("features", "hidden"), np.concatenate([np.eye(12), -np.eye(12)]))})


@metric(
    version=3,
    scale="galaxy",
    inputs=(schema.decoder,),
    outputs=OUTPUTS,
    nulls=(Null(uniform_sphere.LABEL, "uniform directions"),),
    invariances={"rotation": _ALL, "permutation": _ALL, "scale": _ALL},
    pattern="rows",
    reference="Rudman et al. 2022 (iso_score); Mu & Viswanath 2018 (partition_isotropy); Mardia & Jupp 2000 (tests)",
    presentation="saegeom_data.metrics.galaxy.isotropy.presentation:PRESENTATION",
    anchors=(
        Anchor(
            "uniform directions",
            _uniform,
            # Four standard deviations.
            {"mean_cosine": (0.0, 2.5e-4), "second_moment_excess": (0.0, 2.6e-3), "mean_resultant": (0.018, 0.008)},
        ),
        Anchor(
            "rows along every axis, both ways",
            _planted_axes,
            {
                "mean_cosine": (-1 / 23, 1e-12),
                "mean_resultant": (0.0, 1e-12),
                "second_moment_excess": (12 / 23 - 1, 1e-12),
                "iso_score": (1.0, 1e-12),
                "partition_isotropy": (1.0, 1e-12),
            },
        ),
    ),
    guidance=GUIDANCE,
)
def isotropy(sae: xr.Dataset) -> xr.Dataset:
    r"""Measure how evenly the directions of the decoder rows fill the space.

    A direction is a row over its norm, :math:`u_i` in p hidden dimensions; rows of zero norm are dropped, and
    directions equal to an earlier one to a millionth merged. Everything follows from the sum :math:`T = \sum_i u_i`
    and the matrix :math:`G = \sum_i u_i u_i^\top` of n directions:

    - ``mean_resultant`` :math:`= |T| / n` and ``mean_cosine`` :math:`= (|T|^2 - n) / (n (n - 1))`, over distinct pairs;
    - ``second_moment_excess`` :math:`= p \, (\mathrm{tr}\, G^2 - n) / (n (n - 1)) - 1`, the mean squared cosine over
      distinct pairs in units of its 1 / p for uniform directions, less 1;
    - ``iso_score`` :math:`= (r - 1) / (p - 1)`, where r is the participation ratio
      :math:`(\mathrm{tr}\, C)^2 / \mathrm{tr}\, C^2` of the covariance C of the directions: IsoScore in closed form;
    - ``partition_isotropy`` :math:`= \min_k Z_k / \max_k Z_k`, least and greatest :math:`Z = \sum_i \exp(v^\top u_i)`
      over the eigenvectors v of G in both signs, because their signs are arbitrary.

    Parameters
    ----------
    sae
        Dataset with ``decoder`` (features, hidden).

    Returns
    -------
    xarray.Dataset
        The scalars above with their nulls, p and counts. With fewer than 16 directions there is no p, with fewer than
        four ``mean_cosine`` has no error and interval, with fewer than two (as where all are copies of one) nothing is
        defined, and in one dimension neither ``iso_score`` nor second moments: these are NaN.

    Notes
    -----
    All outputs are invariant under rotation, permutation, and scale, and under a scale of each row.

    Nulls are exact for independent uniform directions: ``mean_cosine`` has mean 0 and standard deviation
    :math:`\sqrt{2 / (n (n - 1) p)}`, ``second_moment_excess`` mean 0 and standard deviation
    :math:`\sqrt{4 (p - 1) / (n (n - 1) (p + 2))}`. The tests are Rayleigh's and Bingham's: :math:`p |T|^2 / n` and
    :math:`\frac{p (p + 2)}{2 n} \mathrm{tr}(G - \frac{n}{p} I)^2` are referred to gamma laws, shifted, of their exact
    means, variances and third moments. With 16 to 64 uniform directions in 2 to 512 dimensions p of 0.01 came out up to
    1.2 times as often as it says and p of 0.001 up to twice, at either end; p of far deviations is 0. Each test sees
    some of what the other is for, as both ask for uniform directions, while the interval of ``mean_cosine`` holds
    whatever the axes: its error is that of a U-statistic, never below its value without preferred direction.
    ``iso_score_null`` is the score of the exact expectations.
    Rows and their opposites are no independent directions: with these the second moments differ from uniform ones.

    Three passes, any chunks, the first for copies: features * hidden ** 2 multiplications and one eigen-decomposition,
    then twice as many multiplications for ``partition_isotropy``. A block in work holds two matrices of hidden ** 2
    float64 beside itself, one that waits to be merged holds one, the decomposition five.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> even = isotropy(simulate_sae(n_features=2000, n_hidden=32))
    >>> uneven = isotropy(simulate_sae(n_features=2000, n_hidden=32, spectrum_exponent=1.0))
    >>> bool(uneven.iso_score < even.iso_score), bool(even.second_moment_p > 0.01), float(uneven.second_moment_p)
    (True, True, 0.0)
    """

    hidden = sae.decoder.shape[1]
    matrix, scratch = 8 * hidden**2, scratch_bytes(hidden)
    kept = distinct_rows(sae.decoder)
    counts = kept[["n_zero", "n_copies"]].rename(n_zero="n_features_dropped", n_copies="n_merged")
    results = {output.name: output.result({}) for output in OUTPUTS}
    partition_result = {"partition_isotropy": results.pop("partition_isotropy")}
    results = {name: result for name, result in results.items() if name not in counts}
    moments = lazy.rows(
        _chunk,
        merge,
        _finalize,
        lazy.again(sae.decoder, kept.is_kept),
        kept.is_kept,
        outputs=results | {"axes": lazy.Result(("hidden", "axes"), (hidden, hidden))},
        memory=lazy.Memory(task=matrix + scratch, partial=matrix, finish=5 * matrix),
        work=moments_work(*sae.decoder.shape) + lazy.eigen(hidden) + lazy.Work(passes=60 * sae.decoder.size, calls=300),
    )
    partition = lazy.rows(
        _exponentials,
        _add,
        _ratio,
        lazy.again(sae.decoder, moments.axes),
        kept.is_kept,
        also=(moments.axes,),
        outputs=partition_result,
        memory=lazy.Memory(task=scratch, partial=16 * hidden),
        work=lazy.Work(
            products=sae.decoder.size * hidden, functions=sae.decoder.size, passes=150 * sae.decoder.size, calls=100
        ),
    )
    return moments.merge(partition).merge(counts)[list(_ALL)]


def _chunk(start: int, block: Array, is_kept: Array) -> Moments:
    """Moments of the directions of the rows of a block (rows, hidden) that count."""
    return moments_of(_directions(block, is_kept), block.shape[1])


def _directions(block: Array, is_kept: Array) -> Iterator[Array]:
    """Unit rows (used, hidden) in float64 of the rows of a block that count, piece by piece."""
    place = 0
    for rows in pieces(block):
        kept = is_kept[place : place + len(rows)]
        place += len(rows)
        used = rows if kept.all() else rows[kept]
        # In place, as pieces are copies. None of these norms is 0: such rows are not kept.
        used /= row_norms(used)[:, None]
        yield used


def _finalize(moments: Moments) -> dict[str, Any]:
    """Outputs from the moments: with T the sum of n directions and G their Gram matrix, from |T|^2, tr G^2 and T' S T.

    S = scatter + n mean mean' (hidden, hidden) sums outer products; tr G^2 = tr S^2 and T' S T = sum_i (G 1)_i^2.
    """

    n, total = moments.count, moments.count * moments.mean
    counts = {"n_features_used": n}
    if n < 2:
        return dict.fromkeys(_ALL, np.nan) | {"axes": np.full(moments.scatter.shape, np.nan)} | counts
    # Squared cosines are of the directions themselves, so the mean's share of the scatter is put back.
    second = moments.scatter + np.outer(moments.mean, total)
    squared = float(np.einsum("ij,ij->", second, second))
    resultant = float(total @ total)
    return {
        **_mean_cosine(n, len(total), resultant, squared, float(total @ second @ total)),
        **_second_moment(n, len(total), squared),
        **_iso_score(moments),
        "mean_resultant": np.sqrt(resultant) / n,
        "axes": np.linalg.eigh(second)[1],
        **counts,
    }


def _exponentials(start: int, block: Array, is_kept: Array, axes: Array) -> Array:
    """Sums (sign, axes) of the exponentials of the directions' coordinates, as they are and negated."""
    sums = np.zeros((2, axes.shape[1]))
    for directions in _directions(block, is_kept):
        exponential = directions @ axes
        np.exp(exponential, out=exponential)
        sums[0] += exponential.sum(axis=0)
        # exp(-x) as 1 / exp(x) saves an exponential; |x| is at most 1, so neither end overflows.
        sums[1] += np.reciprocal(exponential, out=exponential).sum(axis=0)
    return sums


def _add(parts: Sequence[Array]) -> Array:
    """Sum of sums (sign, axes)."""
    return np.asarray(np.sum(parts, axis=0))


def _ratio(sums: Array) -> dict[str, Any]:
    """Least over greatest partition function of sums (sign, axes)."""
    return {"partition_isotropy": sums.min() / sums.max() if sums.any() else np.nan}


def _mean_cosine(n: int, p: int, resultant: float, squared: float, along: float) -> dict[str, float]:
    """Mean cosine (|T|^2 - n) / (n (n - 1)) of distinct pairs, from |T|^2, tr G^2 and T' G T."""
    pairs = n * (n - 1)
    # Less n: each direction has a cosine of 1 with itself, which is no pair.
    cosine = (resultant - n) / pairs
    error = _standard_error(n, resultant - n, squared - n, along - 2 * resultant + n)
    return {
        "mean_cosine": cosine,
        "mean_cosine_low": cosine - NORMAL_QUANTILE * error,
        "mean_cosine_high": cosine + NORMAL_QUANTILE * error,
        "mean_cosine_standard_error": error,
        "mean_cosine_null_sd": float(np.sqrt(2 / (pairs * p))),
        # The cosine itself: third moments of it are 0.
        "mean_resultant_p": _upper_tail(n, (resultant - n) / 2, p, 1 / p, 0.0),
    }


def _standard_error(n: int, total: float, squares: float, row_squares: float) -> float:
    """Standard error of the mean of a symmetric kernel over pairs, from unbiased estimates of its components.

    ``total`` and ``squares`` sum the kernel and its square over ordered pairs, ``row_squares`` the squared sums of the
    rows of the kernel matrix without its diagonal.
    """

    if n < 4:
        return np.nan
    pairs, triples = n * (n - 1), n * (n - 1) * (n - 2)
    square_of_mean = (total**2 - 4 * row_squares + 2 * squares) / (triples * (n - 3))
    # Unbiased estimates of components can come out negative.
    of_row = max((row_squares - squares) / triples - square_of_mean, 0.0)
    of_pair = max(squares / pairs - square_of_mean, 0.0)
    return float(np.sqrt((4 * (n - 2) * of_row + 2 * of_pair) / pairs))


def _second_moment(n: int, p: int, squared: float) -> dict[str, float]:
    """Excess p (tr G^2 - n) / (n (n - 1)) - 1 of squared cosines and Bingham's test, from tr G^2 of n rows."""
    if p < 2:
        return dict.fromkeys(("second_moment_excess", "second_moment_excess_null_sd", "second_moment_p"), np.nan)
    pairs, degrees = n * (n - 1), (p - 1) * (p + 2) // 2
    # Of the squared cosine less its mean 1 / p, whose moments are those of a beta law.
    third = 15 / (p * (p + 2) * (p + 4)) - 9 / (p**2 * (p + 2)) + 2 / p**3
    total = (squared - n - pairs / p) / 2
    return {
        "second_moment_excess": p * (squared - n) / pairs - 1,
        "second_moment_excess_null_sd": float(np.sqrt(4 * (p - 1) / (pairs * (p + 2)))),
        "second_moment_p": _upper_tail(n, total, degrees, (1 - 1 / p) / degrees, third),
    }


def _upper_tail(n: int, total: float, degrees: int, eigenvalue: float, third: float) -> float:
    """Upper tail of the sum of a kernel h over all pairs of n uniform directions, whose mean is 0.

    h has one ``eigenvalue`` l, ``degrees`` D times, and E h^3 is ``third``. So the sum has the variance N D l^2 and the
    third moment N E h^3 + 6 M D l^3, of N pairs and M triples, and is referred to the shifted gamma law of these
    moments. NaN with fewer than :data:`_LEAST_TESTED` directions.
    """
    from scipy.special import gammaincc

    if n < _LEAST_TESTED:
        return np.nan
    pairs, triples = n * (n - 1) / 2, n * (n - 1) * (n - 2) / 6
    deviation = np.sqrt(pairs * degrees) * eigenvalue
    skewness = (pairs * third + 6 * triples * degrees * eigenvalue**3) / deviation**3
    shape = 4 / skewness**2
    # Below where the law begins nothing is expected.
    return float(gammaincc(shape, max(shape + np.sqrt(shape) * total / deviation, 0.0)))


def _iso_score(moments: Moments) -> dict[str, float]:
    """IsoScore (r - 1) / (p - 1) with r = (tr C)^2 / tr C^2, and that of the exact expectations of both traces."""
    n, p = moments.count, len(moments.mean)
    trace = float(np.trace(moments.scatter))
    squared = float(np.einsum("ij,ij->", moments.scatter, moments.scatter))
    # Equal directions differ by rounding if their rows have different norms.
    spread = p > 1 and trace > n * (8 * np.finfo(float).eps) ** 2
    # Expected (tr S)^2 over expected tr S^2 of the scatter S of uniform directions, both over n - 1, which cancels.
    null = (n - 1 + 2 / (n * p)) / (1 + (n - 2) / p + 2 / (n * p))
    excess = trace**2 / squared - 1 if spread else np.nan
    return {
        "iso_score": (0.0 if excess < _ROUNDING else excess / (p - 1)) if p > 1 else np.nan,
        "iso_score_null": (null - 1) / (p - 1) if p > 1 else np.nan,
    }
