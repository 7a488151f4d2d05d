"""How far the cloud of decoder rows is from Gaussian: negentropy calibrated on surrogates of the same covariance."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from saegeom_data import blocks, schema
from saegeom_data.declare import Anchor, Output, metric
from saegeom_data.errors import ParameterError

from ._entropy import gaussian_entropy, neighbour_entropy, published_entropies
from ._moments import Moments, covariance, group_moments, merge
from ._surrogates import Cloud, gaussian_scores, projected_scores, projected_spectrum
from .nulls import p_value

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[Any]]
Partial = tuple[Moments, Array, int]
Estimator = Literal["calibrated", "published"]

NULLS = ("spectrum_matched", "angular_central_gaussian")
_ROWS_PUBLISHED = 5000

_OUTPUTS = (
    Output(
        "negentropy",
        ("null", "k"),
        "nats",
        "negentropy_uncalibrated minus its mean over the null; above 0 is clustered",
    ),
    Output("negentropy_low", ("null", "k"), "nats", "lower end of the 95 percent subsampling interval of negentropy"),
    Output("negentropy_high", ("null", "k"), "nats", "upper end of the 95 percent subsampling interval of negentropy"),
    Output(
        "p", ("null", "k"), description="(b + 1) / (B + 1) for b of B surrogates at least as large; 1 / (B + 1) to 1"
    ),
    Output("null_mean", ("null", "k"), "nats", "mean of negentropy_surrogate: the bias of the estimator"),
    Output("null_sd", ("null", "k"), "nats", "standard deviation of negentropy_surrogate"),
    Output("negentropy_surrogate", ("null", "k", "surrogate"), "nats", "negentropy_uncalibrated of each surrogate"),
    Output("negentropy_uncalibrated", ("k",), "nats", "entropy_gaussian - entropy_knn; biased by many nats, any sign"),
    Output("standard_error", ("k",), "nats", "of negentropy_uncalibrated: by subsampling; published: sd / sqrt(30)"),
    Output("entropy_knn", ("k",), "nats", "nearest-neighbour entropy; published: mean over resamples"),
    Output("entropy_gaussian", units="nats", description="entropy of a Gaussian with the scores' covariance"),
    Output("n_features_used", units="count", description="rows whose distances were measured", fill=0),
    Output("n_features_dropped", units="count", description="rows of zero norm among all features, dropped", fill=0),
    Output("n_duplicates", units="count", description="exact copies among the rows; merged unless published", fill=0),
)
_ALL = tuple(output.name for output in _OUTPUTS)
_SUBSAMPLED = ("negentropy_low", "negentropy_high", "standard_error")


def _gaussian() -> xr.Dataset:
    from saegeom_data.testing import simulate_sae

    sae = simulate_sae(n_features=400, n_hidden=20, n_blocks=1)
    radius = np.random.default_rng(1).chisquare(20, 400) ** 0.5
    return sae.assign(decoder=sae.decoder * radius[:, None])


@metric(
    version=1,
    scale="galaxy",
    inputs=(schema.decoder,),
    outputs=_OUTPUTS,
    invariances={
        "rotation": _ALL,
        "permutation": tuple(name for name in _ALL if name not in _SUBSAMPLED),
        "scale": tuple(name for name in _ALL if not name.startswith("entropy")),
    },
    pattern="rows",
    reference="Li et al. 2025, section 5.2",
    quick={"n_components": 10, "n_surrogates": 19, "n_subsamples": 8},
    anchors=(
        Anchor(
            "Gaussian rows have no negentropy",
            _gaussian,
            {"negentropy": (0.0, 0.4)},
            {"n_components": 10, "n_surrogates": 19},
        ),
    ),
)
def clustering_entropy(
    sae: xr.Dataset,
    *,
    estimator: Estimator = "calibrated",
    n_components: int = 100,
    k: tuple[int, ...] | None = None,
    n_surrogates: int = 200,
    n_samples: int | None = None,
    n_subsamples: int = 30,
    seed: int = 0,
) -> xr.Dataset:
    r"""Measure the negentropy of decoder rows in nats: the entropy that they lack of a Gaussian of the same covariance.

    Rows are projected on the ``n_components`` first principal axes of all rows. With :math:`\rho_{k,i}` the exact
    distance of row i to its k-th nearest other row, the Kozachenko-Leonenko entropy is

    .. math:: H = \psi(n) - \psi(k) + \ln V_d + \tfrac{d}{n} \textstyle\sum_i \ln \rho_{k,i}, \qquad
              \ln V_d = \tfrac{d}{2} \ln \pi - \ln \Gamma(\tfrac{d}{2} + 1),

    and ``negentropy_uncalibrated`` is :math:`\tfrac{d}{2}(1 + \ln 2\pi) + \tfrac12 \ln \det C - H`. It is biased by 16
    to 19 nats at d = 100 and n = 5000, so ``negentropy`` subtracts its mean over surrogates of the same n and
    covariance.

    Parameters
    ----------
    sae
        Dataset with ``decoder`` (features, hidden).
    estimator
        ``"published"`` is the formula of the paper's code: z-scores, principal components of the sampled rows, 0.01
        added to distances, 30 resamples with replacement. It measures the resampling (362 nats on noise) and gives NaN
        for all that depends on a null.
    n_components
        Number of principal components d.
    k
        Orders of the neighbours, a value of the results for each; (3,) by default, (1,) if published.
    n_surrogates
        Surrogates of each null.
    n_samples
        Rows drawn without replacement; all by default, at most 5000 if published. Calibrated axes are fitted to all
        rows either way.
    n_subsamples
        Subsamples of half the rows that the interval rests on.
    seed
        Seed of all draws.

    Returns
    -------
    xarray.Dataset
        ``negentropy`` with interval, ``p`` and null (null, k), surrogates (null, k, surrogate), entropies (k), counts.
        Where the distinct rows do not span ``n_components`` dimensions all estimates are NaN.

    Raises
    ------
    ParameterError
        If n_components exceeds hidden or the rows less 2, k is under 1 or not below the rows, or a count is too small.

    Notes
    -----
    ``spectrum_matched`` draws Gaussian scores given their sample covariance: the exact conditional law, so
    p is uniform for Gaussian rows of any mean and covariance. ``angular_central_gaussian`` draws Gaussian rows in all
    hidden dimensions, divides them to the norms of the data's rows (1 for unit rows), fits their own principal axes
    where the data's were fitted to the same rows, and maps the scores to the data's covariance. The spectrum before
    division comes from pilot draws, so that after it the rows have the data's spectrum: using the data's spectrum
    itself spreads it twice and rejects isotropic unit rows far too often where hidden is a quarter of the rows. With a
    mean away from 0 this is the projected normal law. Its p is near to uniform, not exactly so.

    The standard error is the deviation over subsamples of m = n // 2 rows drawn without replacement times
    :math:`\sqrt{m / (n - m)}`, and the interval adds the null mean's own error; it is NaN where m rows are too few.
    Rows are never drawn with replacement: copies would put 63 percent of the distances at 0. Invariant under rotation;
    under permutation but for the interval, if n_samples is None; under scale but for the entropies.

    One pass, any chunks; then, for each surrogate, n ** 2 * d multiplications and for the second null n * hidden ** 2 +
    hidden ** 3. Memory: the drawn rows in float64 three times and hidden ** 2 for each block in work.

    Examples
    --------
    >>> from saegeom_data.testing import simulate_sae
    >>> sae = simulate_sae(n_features=200, n_hidden=16, n_lobes=5, geometry_strength=2.0)
    >>> result = clustering_entropy(sae, n_components=8, n_surrogates=19)
    >>> result.p.values.ravel().tolist()
    [0.05, 0.05]
    """
    n_features, hidden = sae.decoder.shape
    if k is None:
        k = (3,) if estimator == "calibrated" else (1,)
    if n_samples is None:
        n_samples = n_features if estimator == "calibrated" else min(n_features, _ROWS_PUBLISHED)
    plan = _Plan(estimator, n_components, k, n_surrogates, n_samples, n_subsamples, seed, n_features)
    _check(plan, hidden)
    sizes = {"null": len(NULLS), "k": len(k), "surrogate": n_surrogates}
    results = {
        output.name: blocks.Result(
            output.dims, tuple(sizes[dim] for dim in output.dims), "int64" if output.units == "count" else "float64"
        )
        for output in _OUTPUTS
    }
    chunk, finalize = functools.partial(_chunk, plan=plan), functools.partial(_finalize, plan=plan)
    dataset = blocks.rows(chunk, _combine, finalize, sae.decoder, outputs=results)
    return dataset.assign_coords(null=list(NULLS), k=list(k))


@dataclass(frozen=True)
class _Plan:
    """Parameters as resolved against the shape of the data."""

    estimator: Estimator
    n_components: int
    k: tuple[int, ...]
    n_surrogates: int
    n_samples: int
    n_subsamples: int
    seed: int
    n_features: int

    @property
    def refit(self) -> bool:
        """Whether principal axes are fitted to the very rows whose distances are measured."""
        return self.n_samples == self.n_features


def _check(plan: _Plan, hidden: int) -> None:
    n, k = plan.n_samples, plan.k
    most = min(hidden, n - 2)
    rules = (
        (1 <= n <= plan.n_features, "n_samples", n, f"1 to {plan.n_features}, the features"),
        (
            1 <= plan.n_components <= most,
            "n_components",
            plan.n_components,
            f"1 to {most}, for {n} rows in {hidden} hidden dimensions",
        ),
        (min(k, default=0) >= 1 and max(k, default=n) < n, "k", k, f"neighbours from 1 to {n - 1}"),
        (plan.n_surrogates >= 1, "n_surrogates", plan.n_surrogates, "at least 1"),
        (plan.n_subsamples >= 2, "n_subsamples", plan.n_subsamples, "at least 2"),
    )
    problems = [
        f"clustering_entropy: {name}: got {got}, expected {wanted}" for ok, name, got, wanted in rules if not ok
    ]
    if problems:
        raise ParameterError("\n".join(problems))


def _chunk(start: int, block: Array, *, plan: _Plan) -> Partial:
    rows = block.astype(np.float64)
    used = rows.any(axis=1)
    drawn = np.ones(len(rows), dtype=bool)
    if not plan.refit:
        chosen = np.random.default_rng((plan.seed, 0)).choice(plan.n_features, plan.n_samples, replace=False)
        drawn = np.isin(np.arange(start, start + len(rows)), chosen)
    return group_moments(rows[used], np.zeros(int(used.sum())), 1), rows[used & drawn], int((~used).sum())


def _combine(parts: Sequence[Partial]) -> Partial:
    moments, rows, dropped = zip(*parts, strict=True)
    return merge(moments), np.concatenate(rows), sum(dropped)


def _finalize(partial: Partial, *, plan: _Plan) -> dict[str, Any]:
    moments, rows, n_dropped = partial
    distinct = rows[np.sort(np.unique(rows, axis=0, return_index=True)[1])]
    counts = {"n_features_dropped": n_dropped, "n_duplicates": len(rows) - len(distinct)}
    if plan.estimator == "published":
        return _blank(plan) | counts | {"n_features_used": len(rows)} | _published(rows, plan)
    counts["n_features_used"] = len(distinct)
    if plan.refit:
        moments = group_moments(distinct, np.zeros(len(distinct)), 1)
    if len(distinct) < max(plan.n_components + 2, max(plan.k) + 1):
        return _blank(plan) | counts
    return _blank(plan) | counts | _calibrated(moments, distinct, plan)


def _blank(plan: _Plan) -> dict[str, Any]:
    sizes = {"null": len(NULLS), "k": len(plan.k), "surrogate": plan.n_surrogates}
    return {output.name: np.full([sizes[dim] for dim in output.dims], np.nan) for output in _OUTPUTS}


def _published(rows: Array, plan: _Plan) -> dict[str, Any]:
    if len(rows) < max(plan.n_components + 2, max(plan.k) + 1):
        return {}
    gaussian, entropies = published_entropies(rows, plan.n_components, plan.k, plan.seed)
    return {
        "entropy_gaussian": gaussian,
        "entropy_knn": entropies.mean(axis=0),
        "negentropy_uncalibrated": gaussian - entropies.mean(axis=0),
        "standard_error": entropies.std(axis=0, ddof=1) / np.sqrt(len(entropies)),
    }


def _calibrated(moments: Moments, rows: Array, plan: _Plan) -> dict[str, Any]:
    from scipy.special import stdtrit

    scores, cloud = _cloud(moments, rows, plan)
    gaussian = gaussian_entropy(cloud.covariance)
    if np.isnan(gaussian):
        return {}
    entropy = neighbour_entropy(scores, plan.k)
    raw = gaussian - entropy
    surrogates = gaussian - _surrogate_entropies(cloud, plan)
    mean, sd = surrogates.mean(axis=-1), surrogates.std(axis=-1, ddof=min(1, plan.n_surrogates - 1))
    error = _subsampling_error(scores, plan)
    reach = float(stdtrit(plan.n_subsamples - 1, 0.975)) * np.sqrt(error**2 + sd**2 / plan.n_surrogates)
    return {
        "negentropy": raw - mean,
        "negentropy_low": raw - mean - reach,
        "negentropy_high": raw - mean + reach,
        "p": p_value(np.broadcast_to(raw, mean.shape), surrogates),
        "null_mean": mean,
        "null_sd": sd,
        "negentropy_surrogate": surrogates,
        "negentropy_uncalibrated": raw,
        "standard_error": error,
        "entropy_knn": entropy,
        "entropy_gaussian": gaussian,
    }


def _cloud(moments: Moments, rows: Array, plan: _Plan) -> tuple[Array, Cloud]:
    """Scores of ``rows`` on the principal axes, and what surrogates take over."""
    spectrum, vectors = np.linalg.eigh(covariance(moments))
    spectrum, vectors = np.maximum(spectrum[::-1], 0.0), vectors[:, ::-1]
    mean = moments.mean[0] @ vectors
    # Signs of eigenvectors are arbitrary; surrogates must not depend on them.
    vectors, mean = vectors * np.where(mean < 0, -1.0, 1.0), np.abs(mean)
    scores = (rows - moments.mean[0]) @ vectors[:, : plan.n_components]
    norm = np.sort(np.linalg.norm(rows, axis=1))
    return scores, Cloud(np.atleast_2d(np.cov(scores, rowvar=False)), spectrum, mean, norm, plan.refit)


def _surrogate_entropies(cloud: Cloud, plan: _Plan) -> Array:
    """Neighbour entropies (null, k, surrogate) of the surrogates of each null."""
    spectrum = projected_spectrum(cloud, plan.seed)
    entropies = np.empty((len(NULLS), len(plan.k), plan.n_surrogates))
    for index in range(plan.n_surrogates):
        rng = np.random.default_rng((plan.seed, 1, index))
        entropies[0, :, index] = neighbour_entropy(gaussian_scores(cloud, rng), plan.k)
        entropies[1, :, index] = neighbour_entropy(projected_scores(cloud, spectrum, rng), plan.k)
    return entropies


def _subsampling_error(scores: Array, plan: _Plan) -> Array:
    """Standard error (k,) from halves drawn without replacement; NaN where a half is too small."""
    n = len(scores)
    m = n // 2
    if m < max(plan.n_components + 2, max(plan.k) + 1):
        return np.full(len(plan.k), np.nan)
    values = []
    for index in range(plan.n_subsamples):
        rng = np.random.default_rng((plan.seed, 4, index))
        half = scores[np.sort(rng.choice(n, m, replace=False))]
        values.append(gaussian_entropy(np.atleast_2d(np.cov(half, rowvar=False))) - neighbour_entropy(half, plan.k))
    return np.asarray(np.std(values, axis=0, ddof=1) * np.sqrt(m / (n - m)))
