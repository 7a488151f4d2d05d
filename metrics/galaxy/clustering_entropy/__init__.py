"""How far the cloud of decoder rows is from Gaussian: negentropy calibrated on surrogates of the same covariance."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.claim import Null
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.errors import ParameterError
from saegeom_data.metrics._shared.directions import drawn_index
from saegeom_data.metrics._shared.distinct_rows import distinct_rows
from saegeom_data.metrics._statistics.entropy import published_entropies, published_work
from saegeom_data.metrics.galaxy.clustering_entropy._calibrated import calibrated
from saegeom_data.metrics.galaxy.clustering_entropy._outputs import ESTIMATES, OUTPUTS
from saegeom_data.metrics.galaxy.clustering_entropy._plan import NULLS, Plan
from saegeom_data.metrics.galaxy.clustering_entropy.guidance import GUIDANCE
from saegeom_data.metrics.nulls import angular_central_gaussian, gaussian_scores, shuffled_components
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

Estimator = Literal["calibrated", "published"]

_ROWS_PUBLISHED = 5000

_ALL = tuple(output.name for output in OUTPUTS)
_SUBSAMPLED = ("negentropy_low", "negentropy_high", "standard_error")


def _gaussian() -> xr.Dataset:
    from saegeom_data.testing.simulate import simulate_sae

    sae = simulate_sae(n_features=400, n_hidden=20, n_blocks=1)
    radius = np.random.default_rng(1).chisquare(20, 400) ** 0.5
    return sae.assign(decoder=sae.decoder * radius[:, None])


@metric(
    version=7,
    scale="galaxy",
    inputs=(schema.decoder,),
    outputs=OUTPUTS,
    invariances={
        "rotation": _ALL,
        "permutation": tuple(name for name in _ALL if name not in _SUBSAMPLED),
        "scale": tuple(name for name in _ALL if not name.startswith("entropy")),
    },
    pattern="pairs",
    reference="Li et al. 2025, section 5.2",
    presentation="saegeom_data.metrics.galaxy.clustering_entropy.presentation:PRESENTATION",
    nulls=(
        Null(gaussian_scores.LABEL, "Gaussian surrogates of the same covariance", "n_surrogates", is_dear=True),
        Null(
            angular_central_gaussian.LABEL,
            "Gaussian surrogates divided to the norms of the rows",
            "n_surrogates",
            is_dear=True,
        ),
        Null(shuffled_components.LABEL, "independent components shuffled among features", "n_surrogates", is_dear=True),
    ),
    quick={"n_components": 10, "n_surrogates": 19, "n_subsamples": 8},
    anchors=(
        Anchor(
            "Gaussian rows have no negentropy",
            _gaussian,
            {"negentropy": (0.0, 0.4)},
            {"n_components": 10, "n_surrogates": 19},
        ),
    ),
    guidance=GUIDANCE,
)
def clustering_entropy(
    sae: xr.Dataset,
    *,
    estimator: Estimator = "calibrated",
    n_components: int = 100,
    component_sweep: tuple[int, ...] = (),
    k: tuple[int, ...] | None = None,
    n_surrogates: int = 200,
    n_samples: int | None = None,
    n_subsamples: int = 30,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    r"""Measure the negentropy of decoder rows in nats: the entropy that they lack of a Gaussian of the same covariance.

    Rows are projected on the ``n_components`` first principal axes of all rows. With :math:`\rho_{k,i}` the exact
    distance of row i to its k-th nearest other row, the Kozachenko-Leonenko entropy is

    .. math:: H = \psi(n) - \psi(k) + \ln V_d + \tfrac{d}{n} \textstyle\sum_i \ln \rho_{k,i}, \qquad
              \ln V_d = \tfrac{d}{2} \ln \pi - \ln \Gamma(\tfrac{d}{2} + 1),

    and ``negentropy_uncalibrated`` is :math:`\tfrac{d}{2}(1 + \ln 2\pi) + \tfrac12 \ln \det C - H`. It is biased by 16
    to 19 nats at d = 100 and n = 5000, so ``negentropy`` subtracts its mean over surrogates of the same n and
    covariance. By itself it says that rows are not Gaussian, which has other reasons than clusters. ``close_pairs``
    asks for these: the share of pairs of rows, about their mean, with a cosine that 1 percent of the pairs of a
    Gaussian draw exceed. Norms do not matter to it.

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
    component_sweep
        Other numbers of components, for ``negentropy_by_components`` and ``p_by_components``.
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
        ``negentropy`` with interval, ``p`` and null (null, k), surrogates (null, k, surrogate), entropies (k), the
        sweep (null, components, k); ``close_pairs`` with excess, ``close_pairs_p`` and null (null), and surrogates
        (null, surrogate), of the headline's components; counts. Where the distinct rows do not span ``n_components``
        dimensions (rows all equal, constant columns, fewer rows) all estimates are NaN; each entry of the sweep
        likewise by itself.

    Raises
    ------
    ParameterError
        If n_components exceeds hidden or the rows less 2, k is under 1 or not below the rows, or a count is too small.

    Notes
    -----
    Nulls: ``gaussian_scores``, Gaussian scores of the same covariance; ``angular_central_gaussian``, the same divided
    to the norms of the data's rows; ``shuffled_components``, independent components shuffled among features. Clusters
    are claimed where negentropy and close pairs are beyond all three. Their laws, the interval and what can be detected
    are on its page of the guide: ``saegeom guide clustering_entropy``.

    Invariant under rotation; under permutation but for the interval, if n_samples is None; under scale but for the
    entropies.

    Three passes, any chunks: which rows are distinct, principal axes, scores. Then n ** 2 * d / 2 multiplications for
    the distances and for each surrogate, a quarter of that for each subsample, and for each surrogate of the second
    null about 10 * n * hidden * d beside. Memory: a surrogate of the second null is held whole, n * hidden float32, and
    the scores in float64 about five times for each surrogate in work; the decoder is never held.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> sae = simulate_sae(n_features=200, n_hidden=16, n_lobes=5, geometry_strength=2.0)
    >>> result = clustering_entropy(sae, n_components=8, n_surrogates=19)
    >>> result.p.values.ravel().tolist(), result.close_pairs_p.values.tolist()
    ([0.05, 0.05, 0.05], [0.05, 0.05, 0.05])
    """

    import xarray as xr

    n_features, hidden = sae.decoder.shape
    if k is None:
        k = (3,) if estimator == "calibrated" else (1,)
    if n_samples is None:
        n_samples = n_features if estimator == "calibrated" else min(n_features, _ROWS_PUBLISHED)
    # The headline first, whatever its place in the sweep: all estimates but two are of the first alone.
    components = (n_components, *(d for d in dict.fromkeys(component_sweep) if d != n_components))
    plan = Plan(components, k, n_surrogates, n_samples, n_subsamples, seed, n_features)
    _check(plan, hidden)
    drawn = None if n_samples == n_features else drawn_index(n_features, n_samples, seed)
    kept = distinct_rows(sae.decoder, by="row", drawn=drawn)
    counts = {"n_features_dropped": kept.n_zero, "n_merged": kept.n_copies}
    if estimator == "calibrated":
        counts["n_features_used"] = kept.n_kept
        estimates = _by_headline(calibrated(sae.decoder, kept, plan))
    else:
        counts |= {"n_features_used": kept.n_kept + kept.n_copies, "n_near_copies": xr.zeros_like(kept.n_kept)}
        # Copies have a representative too: the paper's code measures them as rows of their own.
        estimates = _published(sae.decoder, kept.representative >= 0, plan)
    results = xr.Dataset({output.name: (estimates | counts)[output.name] for output in OUTPUTS})
    return results.assign_coords(null=list(NULLS), components=list(components), k=list(k)).sortby("components")


def _check(plan: Plan, hidden: int) -> None:
    """Raise with all parameters that do not fit the decoder, one line for each."""
    n, k = plan.n_samples, plan.k
    most = min(hidden, n - 2)
    if most < 1 <= n <= plan.n_features:
        raise ParameterError(f"clustering_entropy: got {n} features, expected at least 3")
    wanted_components = f"1 to {most}, for {n} rows in {hidden} hidden dimensions"
    rules = (
        (1 <= n <= plan.n_features, "n_samples", n, f"1 to {plan.n_features}, the features"),
        (1 <= plan.components[0] <= most, "n_components", plan.components[0], wanted_components),
        *((1 <= d <= most, "component_sweep", d, wanted_components) for d in plan.components[1:]),
        (min(k, default=0) >= 1 and max(k, default=n) < n, "k", k, f"neighbours from 1 to {n - 1}"),
        (plan.n_surrogates >= 1, "n_surrogates", plan.n_surrogates, "at least 1"),
        (plan.n_subsamples >= 2, "n_subsamples", plan.n_subsamples, "at least 2"),
    )
    problems = [
        f"clustering_entropy: {name}: got {got}, expected {wanted}" for ok, name, got, wanted in rules if not ok
    ]
    if problems:
        raise ParameterError("\n".join(problems))


def _by_headline(estimates: dict[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """Estimates on the headline's components, and what a sweep keeps of all."""
    sweep = {f"{name}_by_components": estimates[name] for name in ("negentropy", "p")}
    return {name: estimate.isel(components=0, missing_dims="ignore") for name, estimate in estimates.items()} | sweep


def _published(decoder: xr.DataArray, is_drawn: xr.DataArray, plan: Plan) -> dict[str, xr.DataArray]:
    """The published formula, and NaN for all that needs a null."""
    hidden, n = decoder.shape[1], plan.n_samples
    drawn = lazy.rows(
        _drawn_rows,
        np.concatenate,
        functools.partial(_as_published, plan=plan),
        lazy.again(decoder, is_drawn),
        is_drawn,
        outputs=_results(plan),
        memory=lazy.Memory(
            partial=decoder.dtype.itemsize * n * hidden // 2,
            finish=20 * n * hidden + 24 * hidden**2 + 16 * n * max(plan.components),
            lower="n_samples",
        ),
        work=published_work(n, hidden, plan.components[0], plan.k),
    )
    return {str(name): estimate for name, estimate in drawn.data_vars.items()}


def _drawn_rows(start: int, block: Array, is_drawn: Array) -> Array:
    """Rows (drawn, hidden) of a block that are measured, copies among them."""
    return block[is_drawn]


def _results(plan: Plan) -> dict[str, lazy.Result]:
    return {output.name: output.result(plan.sizes) for output in ESTIMATES}


def _as_published(rows: Array, *, plan: Plan) -> lazy.Arrays:
    """Estimates of the paper's code on rows (rows, hidden): means over resamples, with sd / sqrt(30) as error."""
    blank = {name: np.full(result.shape, np.nan) for name, result in _results(plan).items()}
    # Too few rows for these components leave NaN, not an error: which are dropped is known only now.
    if len(rows) < max(plan.components[0] + 2, max(plan.k) + 1):
        return blank
    gaussian, entropies = published_entropies(rows.astype(float), plan.components[0], plan.k, plan.seed)
    return blank | {
        "entropy_gaussian": gaussian,
        "entropy_knn": entropies.mean(axis=0),
        "negentropy_uncalibrated": gaussian - entropies.mean(axis=0),
        "standard_error": entropies.std(axis=0, ddof=1) / np.sqrt(len(entropies)),
    }
