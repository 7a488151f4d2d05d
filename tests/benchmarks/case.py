"""What a benchmark is: one task, how we solve it, and what else solves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Solve = Callable[[Any], Any]


@dataclass(frozen=True)
class Peer:
    """Another way to the same answer.

    ``target`` is the least number of times that ours must be faster, if any; ``share`` the part of the task that the
    peer does, where all of it would take hours.
    """

    solve: Solve
    target: float | None
    agrees: Callable[[Any, Any], None]
    share: float = 1.0
    needs: str = ""


@dataclass(frozen=True)
class Case:
    """One task: how its data is made, how we solve it, and what else solves it.

    ``note`` says more of the task and the seconds that ours took.
    """

    title: str
    small: Mapping[str, int]
    full: Mapping[str, int]
    prepare: Callable[..., Any]
    ours: Solve
    peers: Mapping[str, Peer] = field(default_factory=dict)
    peak_target: float | None = None
    note: Callable[[Any, float], str] | None = None
