"""A flat map of the features of an SAE, to be looked at."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.declare.output import Output
from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics._statistics.unit_rows import unit_rows
from saegeom_data.metrics.brain.feature_map.guidance import GUIDANCE
from saegeom_data.metrics.nulls.streams import library_seed
from saegeom_data.testing.simulate import simulate_sae
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


# Past this the map hardly changes: twice as many lower its loss by 1 percent.
_STEPS = 500


_OUTPUTS = (
    Output("position", ("features", "axis"), "1", "coordinates on the map; NaN for decoder rows of zero norm"),
    Output(
        "n_features_dropped",
        (),
        "count",
        "decoder rows of zero norm, left off the map",
        -1,
        dtype="int64",
        bounds=(0, None),
        label="features left off the map",
    ),
)


@metric(
    version=1,
    scale="brain",
    inputs=(schema.decoder,),
    outputs=_OUTPUTS,
    invariances={
        "rotation": ("n_features_dropped",),
        "permutation": ("n_features_dropped",),
        "scale": ("n_features_dropped",),
    },
    pattern="whole",
    reference="Li et al. 2025, figures 2 and 5",
    presentation="saegeom_data.metrics.brain.feature_map.presentation:PRESENTATION",
    quick={"perplexity": 10.0},
    anchors=(
        Anchor(
            "no row is dropped",
            partial(simulate_sae, n_features=40),
            {"n_features_dropped": (0, 0)},
            {"method": "pca"},
        ),
    ),
    guidance=GUIDANCE,
)
def feature_map(
    sae: xr.Dataset,
    *,
    method: Literal["pca", "tsne"] = "tsne",
    perplexity: Annotated[float, Field(gt=0)] = 30.0,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    """Lay the decoder rows out on a plane, for drawing only: distances on the map are not to be measured.

    t-SNE keeps neighbours together and bends everything else; sizes of groups, gaps between them and their arrangement
    mean nothing. Measure with :func:`lobe_modularity` instead.

    Parameters
    ----------
    sae
        ``decoder`` (features, hidden).
    method
        ``"tsne"``: t-SNE of cosine distances started from the first two principal components, as scikit-learn does it.
        ``"pca"``: the first two principal components of the unit rows, each signed so that its largest score is
        positive.
    perplexity
        Number of neighbours that t-SNE balances; below the number of features.
    seed
        Seed of t-SNE.

    Returns
    -------
    xarray.Dataset
        ``position`` (features, axis); ``n_features_dropped``.

    Raises
    ------
    ParameterError
        If the perplexity is not below the number of features.
    DataValueError
        If there are fewer than two hidden dimensions, fewer than two rows that are not zero, or, by t-SNE, none that
        differ; the latter two are raised when computed.

    Notes
    -----
    The same seed gives the same map on the same machine. Gathers the decoder whole; t-SNE takes about 2 s for each
    thousand features, PCA costs features x hidden squared.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> feature_map(simulate_sae(n_features=50), method="pca").position.shape
    (50, 2)
    """
    n = sae.sizes["features"]
    if sae.sizes["hidden"] < 2:
        raise DataValueError(f"decoder: got {sae.sizes['hidden']} hidden dimensions, expected at least 2 for a map")
    if method == "tsne" and perplexity >= n:
        raise ParameterError(f"perplexity: got {perplexity}, expected less than {n}, the number of features")
    return lazy.whole(
        partial(_lay_out, method=method, perplexity=perplexity, seed=seed),
        sae.decoder,
        outputs={output.name: output.result({"features": n, "axis": 2}) for output in _OUTPUTS},
        # Rows in double precision; t-SNE looks for neighbours in pieces of a gigabyte.
        memory=lazy.Memory(finish=24 * sae.decoder.size + 24 * min(n**2, 2**27)),
        work=_work(*sae.decoder.shape, method=method, perplexity=perplexity),
    ).assign_coords(axis=np.array(["x", "y"], dtype=object))


def _work(n: int, hidden: int, *, method: str, perplexity: float) -> lazy.Work:
    """What a map of n rows computes: principal axes; and for t-SNE distances, their laws, and steps of a descent."""
    axes = lazy.Work(products=n * hidden**2, passes=60 * n * hidden, calls=300) + lazy.eigen(hidden)
    if method == "pca":
        return axes
    near = min(n, 3 * perplexity + 1)
    search = lazy.Work(products=n**2 * hidden, passes=40 * n**2, sorting=n**2, functions=100 * n * near)
    # Attraction of neighbours, and repulsion by a tree of quadrants.
    step = lazy.Work(steps=n * (4 * near + 60 * np.log2(max(n, 2))), calls=100)
    return axes + search + _STEPS * step


def _lay_out(decoder: Array, *, method: str, perplexity: float, seed: int) -> lazy.Arrays:
    """Positions (features, 2); NaN for rows of zero norm."""
    unit = unit_rows(decoder)
    keep = unit.any(axis=1)
    position = np.full((len(unit), 2), np.nan)
    if keep.sum() < 2:
        raise DataValueError(f"decoder: got {keep.sum()} rows that are not zero, expected at least 2 for a map")
    if method == "pca":
        position[keep] = _principal(unit[keep])
    elif np.array_equal(unit[keep][1:], unit[keep][:-1]):
        raise DataValueError("decoder: got rows that all point one way, which t-SNE cannot lay out; use method: pca")
    else:
        # Rows of zero norm are left out, which may leave fewer than the perplexity was checked against.
        position[keep] = _tsne(unit[keep], min(perplexity, keep.sum() - 1), seed)
    return {"position": position, "n_features_dropped": np.count_nonzero(~keep)}


def _principal(unit: Array) -> Array:
    """Scores (rows, 2) on the two leading eigenvectors of the covariance of unit rows (rows, hidden)."""
    centred = unit - unit.mean(axis=0)
    _, vector = np.linalg.eigh(centred.T @ centred)
    score = centred @ vector[:, :-3:-1]
    # The sign of an eigenvector is arbitrary and differs between builds of LAPACK.
    return np.asarray(score * np.sign(score[np.abs(score).argmax(axis=0), np.arange(score.shape[1])]))


def _tsne(unit: Array, perplexity: float, seed: int) -> Array:
    """Positions (rows, 2) by t-SNE of the cosine distances of unit rows (rows, hidden)."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    # One thread: sums over several are added in no fixed order, and t-SNE blows the last digit up.
    with threadpool_limits(limits=1, user_api="openmp"):
        model = TSNE(
            perplexity=perplexity,
            metric="cosine",
            init="pca",
            max_iter=_STEPS,
            random_state=library_seed("t_sne", seed),
        )
        return np.asarray(model.fit_transform(unit), float)
