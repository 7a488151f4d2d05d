"""What figures of the brain scale share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def count_axis(fig: Any, counts: Sequence[int], **where: Any) -> None:
    """Put numbers of lobes on a logarithmic axis, with a tick at each."""
    ticks = {"tickmode": "array", "tickvals": list(counts), "ticktext": list(counts)}
    fig.update_xaxes(title_text="number of lobes", type="log", **ticks, **where)
