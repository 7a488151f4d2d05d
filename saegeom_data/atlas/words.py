"""What features are called, and the text that they fire in: of a store's labels and vocabulary, and of results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from saegeom_data.atlas.facts import Labels
from saegeom_data.data.labels import labels_of
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.data.labels import Label

# Features whose labels are held as objects at a time.
_FEATURES = 4096


def read_labels(group: xr.Dataset) -> Labels:
    """Labels of all features, those with the highest scores of each first.

    Examples
    --------
    >>> from saegeom_data.data.labels import Label, labels_group
    >>> source = {"url": "mine.csv", "sha256": "0" * 64, "date": "2026-01-31"}
    >>> group = labels_group({1: [Label("water"), Label("rivers", score=0.9)]}, 2, [source])
    >>> read_labels(group).start.tolist(), read_labels(group).description
    ([0, 0, 2], ['rivers', 'water'])
    """
    n = group.sizes["feature_bounds"] - 1
    counts: Array = np.zeros(n + 1, np.int64)
    ordered: list[Label] = []
    for start in range(0, n, _FEATURES):
        for feature, labels in enumerate(labels_of(group, slice(start, start + _FEATURES)), start):
            best = sorted(labels, key=lambda label: -np.inf if np.isnan(label.score) else label.score, reverse=True)
            # One description with several scores is there once for each of them.
            distinct = list({label.description: label for label in reversed(best)}.values())[::-1]
            counts[feature + 1] = len(distinct)
            ordered += distinct
    return Labels(
        counts.cumsum(),
        [label.description for label in ordered],
        [label.explainer for label in ordered],
        np.array([label.score for label in ordered]),
    )
