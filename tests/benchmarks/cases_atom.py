"""Parallelograms of word pairs, cross-validated, beside the authors' in-sample calls (P7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from case import Array, Case, Peer

# Pairs of each relation of Todd et al., of which four fifths are three translation tables.
SIZES = (197, 197, 4698, 5145, 5199, 836, 510, 821, 318, 293, 522, 205)
FEWEST = 20


def _pairs(folder: Path, *, n_pairs: int, hidden: int) -> Any:
    """Word pairs in relations of such sizes, with a spectrum and a distractor as activations have them."""
    import xarray as xr

    rng = np.random.default_rng(0)
    sizes = [max(FEWEST, round(size * n_pairs / sum(SIZES))) for size in SIZES]
    label = np.repeat(np.arange(len(sizes)), sizes)
    scale = np.arange(1, hidden + 1, dtype=np.float32) ** -0.25
    source, target = (rng.standard_normal((len(label), hidden), dtype=np.float32) * scale for _ in range(2))
    target += 0.3 * (rng.standard_normal((len(sizes), hidden), dtype=np.float32) * scale)[label]
    length = rng.integers(-6, 7, len(label))
    target += length[:, None] * scale
    words = {side: np.array([f"{side}{i}" for i in range(len(label))], dtype=object) for side in ("source", "target")}
    return xr.Dataset(
        {
            "relation": ("pairs", np.array([f"relation {number:02}" for number in label], dtype=object)),
            "source": ("pairs", words["source"]),
            "target": ("pairs", words["target"]),
            "length_difference": ("pairs", length),
            "source_activation": (("pairs", "hidden"), source),
            "target_activation": (("pairs", "hidden"), target),
        }
    )


def _held_out(pairs: Any) -> Array:
    """Held-out scores in all views with their nulls, of 200 pairs a relation, and the authors' score of all pairs."""
    from saegeom_data.metrics import parallelogram_quality

    result = parallelogram_quality(pairs, estimator="published")
    assert np.isfinite(result.score_by_directions.sel(score="silhouette")).all()
    return np.asarray(result.silhouette_published_by_directions.values)


def _in_sample(pairs: Any) -> float:
    """The authors' call for the largest number of directions, one of the ten that they try."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.metrics import silhouette_score

    offset = (pairs.source_activation - pairs.target_activation).values.astype(np.float64)
    label = pairs.relation.values.astype(str)
    points = LinearDiscriminantAnalysis(n_components=len(SIZES) - 1).fit_transform(offset, label)
    return float(silhouette_score(points, label))


def _close(ours: Array, theirs: float) -> None:
    np.testing.assert_allclose(ours[-1], theirs, atol=1e-8)


CASES = {
    "P7": Case(
        "parallelograms of 18,941 pairs x 2,304, 200 a relation held out in 5 folds (`parallelogram_quality`)",
        {"n_pairs": 300, "hidden": 30},
        {"n_pairs": 18_941, "hidden": 2304},
        _pairs,
        _held_out,
        {
            "scikit-learn LDA and silhouette, in sample, no null": Peer(
                _in_sample, 1, _close, share=1 / (len(SIZES) - 2)
            )
        },
    ),
}
