"""Which layer is the steepest by one window of ranks after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from saegeom_data.declare.group import Group


def steepest_by_window(group: Group, rows: Sequence[str]) -> Counter[str]:
    """Number of windows on which each of ``rows`` has the lowest slope, of windows where all of them have one."""
    if not group.has("slope_by_window"):
        return Counter()
    places = [group.rows.index(row) for row in rows]
    slope = group.data["slope_by_window"].transpose(group.over, ...).values[places]
    known = slope[:, np.isfinite(slope).all(axis=0)]
    return Counter(rows[place] for place in known.argmin(axis=0)) if known.size else Counter()
