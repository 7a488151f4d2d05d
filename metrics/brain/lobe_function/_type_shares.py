"""Which lobe wins the blocks of each document type."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from saegeom_data.declare.group import Group


def winner_shares(group: Group, row: str, count: int, name: str = "winner_share") -> tuple[np.ndarray, Sequence[str]]:
    """Winner shares, or ends of their intervals (lobes, types), of one layer and number of lobes; names of types."""
    table = group.data[name].isel({group.over: group.rows.index(row)}).sel(n_lobes=count)
    values = table.transpose("lobes", "document_type").values[:count]
    return np.asarray(values, dtype=float), [str(name) for name in group.data["document_type"].values]


def lobe_of(group: Group, row: str, count: int, index: int) -> int:
    """The lobe that wins most blocks of one type: lobes are numbered anew at each layer, types are not."""
    return int(np.nan_to_num(winner_shares(group, row, count)[0][:, index]).argmax())


def division(group: Group, row: str, count: int) -> tuple[tuple[str, ...], ...]:
    """Types by the lobe that wins more than half of their blocks, the whole interval above one half.

    Types of which no lobe does are in none. Groups stand in the order of their first type, those of no lobe left out.
    """
    low, names = winner_shares(group, row, count, "winner_share_low")
    winner = {name: int(lobes[0]) for name, column in zip(names, low.T, strict=True)
              if len(lobes := np.flatnonzero(column > 0.5))}  # fmt: skip
    order = dict.fromkeys(winner.values())
    return tuple(tuple(name for name, lobe in winner.items() if lobe == wanted) for wanted in order)
