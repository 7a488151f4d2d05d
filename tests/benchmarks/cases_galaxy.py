"""P10: negentropy calibrated on surrogates, beside a full eigen-decomposition for each of them.

Ours is what the galaxy run draws of one SAE: 39 surrogates of each null model, which decide at the level of 0.05.
Version 1 drew 200 by default, whatever they showed. Ratios at equal numbers of surrogates have no target.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from case import Array, Case, Peer
from decoder_stores import unit_rows

Task = dict[str, Any]
# Pilot draws of version 1, and rows that it drew, and held, at a time.
_PILOT_ROUNDS = 8
_ROWS_DRAWN = 2048


def _decoder(folder: Path, *, n: int, hidden: int, n_components: int, n_surrogates: int, n_by_default: int) -> Task:
    asked = {"n_components": n_components, "n_surrogates": n_surrogates}
    return {"rows": unit_rows(n, hidden), "n_by_default": n_by_default, **asked}


def _calibrated(task: Task) -> Any:
    """Results of the metric as a run computes them."""
    import xarray as xr

    from saegeom_data.engine.compute import compute
    from saegeom_data.engine.units import Unit
    from saegeom_data.metrics import clustering_entropy

    rows = task["rows"]
    sae = xr.Dataset({"decoder": (("features", "hidden"), rows)}).chunk(features=len(rows))
    asked = {name: task[name] for name in ("n_components", "n_surrogates")}
    unit = Unit("entropy", clustering_entropy, "decoder", clustering_entropy(sae, **asked), asked)
    return compute([unit])[0].dataset


def _decomposed(task: Task) -> Any:
    """The same with all axes of each surrogate, of which the leading ones are taken."""
    from saegeom_data.metrics.nulls import angular_central_gaussian

    with (
        patch.object(angular_central_gaussian, "_is_exact", lambda hidden, d: True),
        patch.object(angular_central_gaussian, "_exact_scores", _scores_on_all_axes),
    ):
        return _calibrated(task)


def _scores_on_all_axes(rows: Array, d: int) -> Array:
    _, vectors = np.linalg.eigh((rows.T @ rows).astype(float))
    return np.asarray(rows @ vectors[:, : -d - 1 : -1].astype(np.float32), float)


def _as_version_1(task: Task) -> Any:
    """The same as version 1 did it: in double precision, rows drawn once for their axes and again for their scores."""
    from saegeom_data.metrics.galaxy.clustering_entropy import _calibrated as stages
    from saegeom_data.metrics.galaxy.clustering_entropy import _cloud

    with (
        patch.object(stages, "projected_scores", _first_scores),
        patch.object(_cloud, "projected_spectrum", _first_spectrum),
    ):
        return _calibrated(task)


def _as_version_1_by_default(task: Task) -> Any:
    """The same with as many surrogates as version 1 drew by default."""
    return _as_version_1({**task, "n_surrogates": task["n_by_default"]})


def _first_scores(cloud: Any, spectrum: Array, stream_of: Callable[[int], np.random.Generator]) -> Array:
    from saegeom_data.metrics._statistics.moments import moments_of
    from saegeom_data.metrics.nulls.gaussian_scores import with_covariance

    moments = moments_of(_first_rows(cloud, spectrum, stream_of), len(spectrum))
    axes = np.linalg.eigh(moments.scatter)[1][:, : -cloud.components - 1 : -1]
    scores = np.concatenate([(rows - moments.mean) @ axes for rows in _first_rows(cloud, spectrum, stream_of)])
    return np.asarray(with_covariance(scores, cloud.covariance))


def _first_spectrum(cloud: Any, seed: int) -> Array:
    """Version 1 without what it did for fewer rows than a pilot draws, or than dimensions, which P10 does not have."""
    from saegeom_data.metrics._statistics.moments import covariance, moments_of
    from saegeom_data.metrics.nulls.streams import stream

    spectrum = cloud.spectrum.copy()
    for pilot in range(_PILOT_ROUNDS):
        stream_of = functools.partial(stream, "angular_central_gaussian_pilot", seed, pilot, 0)
        matrix = covariance(moments_of(_first_rows(cloud, spectrum, stream_of), len(spectrum)))
        measured = np.maximum(np.linalg.eigvalsh(matrix)[::-1], 0.0)
        positive = (measured > 0) & (cloud.spectrum > 0)
        ratio = np.divide(cloud.spectrum, measured, out=np.zeros_like(measured), where=positive)
        spectrum = np.sort(spectrum * ratio)[::-1]
    return np.asarray(spectrum)


def _first_rows(cloud: Any, spectrum: Array, stream_of: Callable[[int], np.random.Generator]) -> Iterator[Array]:
    root = np.sqrt(spectrum)
    for block, start in enumerate(range(0, len(cloud.norm), _ROWS_DRAWN)):
        norm = cloud.norm[start : start + _ROWS_DRAWN]
        rows = stream_of(block).standard_normal((len(norm), len(spectrum)))
        rows *= root
        rows += cloud.mean
        rows *= (norm / np.sqrt(np.einsum("ij,ij->i", rows, rows)))[:, None]
        yield rows


def _near_negentropy(ours: Any, theirs: Any) -> None:
    # Rows are others, so that both means are off, each by its own draws.
    error = np.hypot(*(own["null_sd"].values / np.sqrt(own.sizes["surrogate"]) for own in (ours, theirs)))
    assert (np.abs(ours["negentropy"] - theirs["negentropy"]).values <= np.maximum(4 * error, 1e-9)).all()
    np.testing.assert_allclose(ours["negentropy_uncalibrated"], theirs["negentropy_uncalibrated"], rtol=1e-9)


def _same_negentropy(ours: Any, theirs: Any) -> None:
    # Both draw the same rows; what the axes change must be less than what the mean of as many draws is off by.
    error = theirs["null_sd"].values / np.sqrt(theirs.sizes["surrogate"])
    assert (np.abs(ours["negentropy"] - theirs["negentropy"]).values <= np.maximum(2 * error, 1e-9)).all()
    np.testing.assert_allclose(ours["negentropy_uncalibrated"], theirs["negentropy_uncalibrated"], rtol=1e-9)


CASES = {
    "P10": Case(
        "negentropy calibrated by all nulls, 39 surrogates of 5,000 x 2,304 (`clustering_entropy`)",
        {"n": 400, "hidden": 200, "n_components": 10, "n_surrogates": 5, "n_by_default": 20},
        {"n": 5000, "hidden": 2304, "n_components": 100, "n_surrogates": 39, "n_by_default": 200},
        _decoder,
        _calibrated,
        {
            "all axes, in double precision, of 200 surrogates, as version 1 did by default": Peer(
                _as_version_1_by_default, 8, _near_negentropy
            ),
            "all axes, in double precision, of 39 surrogates": Peer(_as_version_1, None, _near_negentropy),
            "all axes of 39 surrogates": Peer(_decomposed, None, _same_negentropy),
        },
    ),
}
