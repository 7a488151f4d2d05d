"""When a number counts as found: across layers, at a stated rate of false discoveries."""

from __future__ import annotations

from collections.abc import Mapping

FALSE_DISCOVERY_RATE = 0.05


def discoveries(p: Mapping[str, float | None]) -> list[str]:
    """Return the rows that stand out at a false discovery rate of 5 percent (Benjamini and Hochberg), in their order.

    One layer in twenty passes p < 0.05 by chance; of the layers that pass here, at most one in twenty is expected to.

    Parameters
    ----------
    p
        The p-value of each row; rows without one are never found.

    Examples
    --------
    >>> discoveries({"layer 0": 0.001, "layer 1": 0.04, "layer 2": 0.7})
    ['layer 0']
    """
    from scipy.stats import false_discovery_control

    known = {row: value for row, value in p.items() if value is not None}
    if not known:
        return []
    adjusted = false_discovery_control(list(known.values()))
    return [row for row, value in zip(known, adjusted, strict=True) if value <= FALSE_DISCOVERY_RATE]
