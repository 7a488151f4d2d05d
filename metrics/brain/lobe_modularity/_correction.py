"""Agreement of lobes and clusters, corrected for how reliable either is."""

from __future__ import annotations

import numpy as np

from saegeom_data import lazy
from saegeom_data.metrics.brain.lobe_modularity._outputs import OF_CORRECTED
from saegeom_data.typing import Array


def corrected_agreement(value: Array, low: Array, high: Array, halves: Array, starts: Array) -> lazy.Arrays:
    """AMI and its ends (n_lobes) over sqrt(r_1 r_2), for the reliabilities r of lobes and of clusters (n_lobes).

    If two groupings are seen through noise that is independent of both, agreement falls by the root of each one's
    agreement with itself, as a correlation does (Spearman 1904). NaN where a reliability is not positive.
    """
    is_reliable = (halves > 0) & (starts > 0)
    root = np.sqrt(np.where(is_reliable, halves * starts, np.nan))
    return {output.name: end / root for output, end in zip(OF_CORRECTED, (value, low, high), strict=True)}
