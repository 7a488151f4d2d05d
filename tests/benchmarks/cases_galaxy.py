"""P10: negentropy calibrated on surrogates, beside a full eigen-decomposition for each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from case import Array, Case, Peer
from decoder_stores import unit_rows

Task = dict[str, Any]


def _decoder(folder: Path, *, n: int, hidden: int, n_components: int, n_surrogates: int) -> Task:
    return {"rows": unit_rows(n, hidden), "n_components": n_components, "n_surrogates": n_surrogates}


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


def _same_negentropy(ours: Any, theirs: Any) -> None:
    # Both draw the same rows; what the axes change must be less than what the mean of as many draws is off by.
    error = theirs["null_sd"].values / np.sqrt(theirs.sizes["surrogate"])
    assert (np.abs(ours["negentropy"] - theirs["negentropy"]).values <= np.maximum(2 * error, 1e-9)).all()
    np.testing.assert_allclose(ours["negentropy_uncalibrated"], theirs["negentropy_uncalibrated"], rtol=1e-9)


CASES = {
    "P10": Case(
        "negentropy calibrated by all nulls, 39 surrogates of 5,000 x 2,304 (`clustering_entropy`)",
        {"n": 400, "hidden": 200, "n_components": 10, "n_surrogates": 5},
        {"n": 5000, "hidden": 2304, "n_components": 100, "n_surrogates": 39},
        _decoder,
        _calibrated,
        {"all axes of each surrogate": Peer(_decomposed, 8, _same_negentropy)},
    ),
}
