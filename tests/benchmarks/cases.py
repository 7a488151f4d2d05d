"""What is measured, against which peer: each case is one task, small in tests and in full by ``make bench``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cases_atom
import cases_batches
import cases_brain
import cases_galaxy
import cases_lobes
import numpy as np
from case import Array, Case, Peer
from decoder_stores import unit_rows, write_store


def evaluated(path: Path, *metrics: Mapping[str, Any], **options: Any) -> Any:
    """Results of metrics on a store, as the runner computes them."""
    from saegeom_data.data import store
    from saegeom_data.engine import runner
    from saegeom_data.spec import models

    run = {"spec_version": 1, "kind": "run", "title": "Benchmark", "metrics": list(metrics)}
    with store.open(path) as tree:
        return runner.measure(tree, models.RunSpec.model_validate(run), **options)


# P2: the spectrum of a decoder, from disk.


def _store_and_rows(folder: Path, *, n: int, hidden: int) -> tuple[Path, Array]:
    path = folder / "decoder.zarr"
    if not path.exists():
        write_store(path, n_saes=1, n=n, hidden=hidden)
    return path, unit_rows(n, hidden)


def _window(hidden: int) -> dict[str, int]:
    return {"first_rank": 11, "last_rank": 150} if hidden >= 150 else {"first_rank": 2, "last_rank": 10}


def _slope(task: tuple[Path, Array]) -> Array:
    path, rows = task
    results = evaluated(path, {"metric": "eigenvalue_slope", "parameters": _window(rows.shape[1])})
    return np.asarray(results["eigenvalue_slope"]["eigenvalue"].values[0])


def _numpy_covariance(task: tuple[Path, Array]) -> Array:
    return np.linalg.eigvalsh(np.cov(task[1], rowvar=False))[::-1]


def _symmetric_product(task: tuple[Path, Array]) -> Array:
    from scipy.linalg.blas import dsyrk

    rows = task[1].astype(np.float64)
    rows -= rows.mean(axis=0)
    return np.linalg.eigvalsh(dsyrk(1 / (len(rows) - 1), rows.T, lower=1))[::-1]


def _same_spectrum(ours: Array, theirs: Array) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12 * theirs[0])


# P3: exact nearest neighbours.


def _noise(folder: Path, *, n: int, d: int) -> Array:
    return np.random.default_rng(0).standard_normal((n, d))


def find_neighbours(rows: Array) -> tuple[Array, Array]:
    from concurrent.futures import ThreadPoolExecutor

    import dask
    import xarray as xr
    from dask.system import CPU_COUNT
    from threadpoolctl import threadpool_limits

    from saegeom_data.metrics.galaxy.clustering_entropy._calibrated import score_neighbours

    scores = xr.DataArray(rows, dims=("features", "components"), name="scores").chunk()
    with threadpool_limits(1), ThreadPoolExecutor(CPU_COUNT) as pool, dask.config.set(pool=pool, scheduler="threads"):
        found = score_neighbours(scores, 10).compute()
    return found["distance"].values, found["neighbour"].values


def _sklearn_brute(rows: Array) -> tuple[Array, Array]:
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=11, algorithm="brute", n_jobs=-1).fit(rows)
    distance, index = search.kneighbors(rows)
    return distance[:, 1:], index[:, 1:]


def _faiss_flat(rows: Array) -> tuple[Array, Array]:
    import faiss

    index = faiss.IndexFlatL2(rows.shape[1])
    single = rows.astype(np.float32)
    index.add(single)
    squared, found = index.search(single, 11)
    return np.sqrt(np.maximum(squared[:, 1:], 0)), found[:, 1:]


def _same_neighbours(ours: tuple[Array, Array], theirs: tuple[Array, Array]) -> None:
    # Single precision, in which the peer decides, swaps neighbours at all but equal distances.
    np.testing.assert_allclose(ours[0], theirs[0], rtol=2e-4)
    assert (ours[1] == theirs[1]).mean() > 0.99


# P5: the published clustering entropy, all layers.


def _layers(folder: Path, *, n_layers: int, n: int, hidden: int, n_components: int) -> dict[str, Any]:
    layers = [unit_rows(n, hidden, seed) for seed in range(n_layers)]
    return {"layers": layers, "n_components": n_components}


def _published(task: dict[str, Any]) -> list[float]:
    import xarray as xr

    from saegeom_data.engine.compute import compute
    from saegeom_data.engine.units import Unit
    from saegeom_data.metrics import clustering_entropy

    saes = [
        xr.Dataset({"decoder": (("features", "hidden"), rows)}).chunk(features=len(rows)) for rows in task["layers"]
    ]
    lazy = [
        clustering_entropy(sae, estimator="published", n_components=task["n_components"], n_surrogates=1)
        for sae in saes
    ]
    units = [Unit("entropy", clustering_entropy, f"layer {layer}", result, {}) for layer, result in enumerate(lazy)]
    return [float(unit.dataset["negentropy_uncalibrated"].values[0]) for unit in compute(units)]


def _torch_published(task: dict[str, Any]) -> list[float]:
    """The same formula by distances of all pairs and a full sort, on the first layer alone."""
    import torch

    rows, d = torch.from_numpy(task["layers"][0]).double(), task["n_components"]
    standard = (rows - rows.mean(0)) / rows.std(0, correction=0)
    _, vectors = torch.linalg.eigh(standard.T @ standard)
    scores = standard @ vectors[:, -d:]
    gaussian = d / 2 * (1 + np.log(2 * np.pi)) + torch.log(torch.linalg.eigvalsh(torch.cov(scores.T))).sum() / 2
    rng = np.random.default_rng((0, 8))
    entropies = []
    for _ in range(30):
        drawn = scores[torch.from_numpy(rng.integers(len(rows), size=len(rows)))]
        distance = torch.sort(torch.cdist(drawn, drawn), dim=1).values[:, 1]
        eigenvalue = torch.linalg.eigvalsh(torch.cov(drawn.T)).clamp(min=1e-10)
        entropy = d * torch.log(distance + 0.01).mean() + torch.log(eigenvalue).mean()
        entropies.append(float(entropy + np.log(len(rows) - 1) - (1 - 0.577216)))
    return [float(gaussian) - float(np.mean(entropies))]


def _same_entropy(ours: list[float], theirs: list[float]) -> None:
    # torch.cdist takes roots of differences of squares, which leaves copies a little apart from each other.
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-3)


CASES = {
    **cases_atom.CASES,
    **cases_batches.CASES,
    **cases_brain.CASES,
    **cases_galaxy.CASES,
    **cases_lobes.CASES,
    "P2": Case(
        "spectrum of a decoder, from zarr (`eigenvalue_slope`)",
        {"n": 3000, "hidden": 64},
        {"n": 65_536, "hidden": 2304},
        _store_and_rows,
        _slope,
        {
            "`np.cov` + `eigvalsh`, in memory": Peer(_numpy_covariance, 1 / 0.6, _same_spectrum),
            "DSYRK + `eigvalsh`, in memory": Peer(_symmetric_product, 1 / 1.3, _same_spectrum),
        },
        peak_target=1e9,
    ),
    "P3": Case(
        "exact nearest neighbours, k = 10",
        {"n": 1500, "d": 20},
        {"n": 65_536, "d": 100},
        _noise,
        find_neighbours,
        {
            "scikit-learn brute": Peer(_sklearn_brute, 3, _same_neighbours),
            "faiss `IndexFlatL2`": Peer(_faiss_flat, 3, _same_neighbours, needs="faiss"),
        },
    ),
    "P5": Case(
        "published clustering entropy, 26 layers",
        {"n_layers": 2, "n": 400, "hidden": 40, "n_components": 10},
        {"n_layers": 26, "n": 5000, "hidden": 2304, "n_components": 100},
        _layers,
        _published,
        {"`torch.cdist` + full sort": Peer(_torch_published, 20, _same_entropy, share=1 / 26, needs="torch")},
    ),
}
