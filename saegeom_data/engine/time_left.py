"""How long a run still takes, while it runs: what is planned, corrected by how long what is finished took."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from saegeom_data.engine.rates import rates
from saegeom_data.engine.task_counter import token_of
from saegeom_data.engine.times import estimate, seconds_of
from saegeom_data.engine.units import Unit, graph_of
from saegeom_data.lazy import find_stages

Left = Callable[[float], None]
"""Called with the seconds that are likely left, from any thread."""

Pass = tuple[Sequence[Unit], int, int]
"""Units that are computed together, and how many tasks, and SAEs or sites, are in work at a time."""


class TimeLeft:
    """Follows finished tasks, all of a stage alike, by what their stages compute, and tells how many seconds are left.

    Of a planned total P, of which the share f is finished after e seconds, (1 - f) ((1 - f) P + e) are left: the plan
    alone decides at the beginning, and how long tasks took in the end. Says nothing where a stage states no work.

    Parameters
    ----------
    passes
        What is computed, one pass after the other.
    report
        Called after each task.
    """

    def __init__(self, passes: Sequence[Pass], report: Left) -> None:
        planned = [estimate(units, n_workers, at_once).all for units, n_workers, at_once in passes]
        self._planned = sum(each.seconds for each in planned)
        # A plan that is at least so much would promise an end that comes later.
        self._is_known = not any(each.is_least for each in planned)
        self._seconds: dict[str, float] = {}
        self._number: Counter[str] = Counter()
        for units, _, _ in passes:
            seconds, number = _stages(units)
            self._seconds |= seconds
            self._number |= number
        self._total = sum(self._seconds.values())
        self._shares = dict.fromkeys(self._seconds, 0.0)
        self._report, self._finished, self._start = report, 0.0, time.monotonic()
        # Tasks finish on threads of the scheduler, several at a time.
        self._lock = threading.Lock()

    def finish(self, key: Any) -> None:
        """Count a task as finished."""
        token = token_of(key)
        with self._lock:
            if token in self._shares:
                self._set(token, self._shares[token] + 1 / self._number[token])
        self._tell()

    def reach(self, shares: Mapping[str, float]) -> None:
        """Take the shares of tasks that are finished, by the tokens of stages; what is lost may be computed again."""
        with self._lock:
            for token, share in shares.items():
                if token in self._shares:
                    self._set(token, share)
        self._tell()

    def _set(self, token: str, share: float) -> None:
        self._finished += self._seconds[token] * (share - self._shares[token])
        self._shares[token] = share

    def _tell(self) -> None:
        if self._total and self._is_known:
            self._report(left_of(self._planned, self._finished / self._total, time.monotonic() - self._start))


def left_of(planned: float, share: float, elapsed: float) -> float:
    """Seconds that are left of a planned number, once a share is finished.

    Examples
    --------
    >>> left_of(100, 0.0, 0), left_of(100, 0.5, 100), left_of(100, 1.0, 300)
    (100.0, 75.0, 0.0)
    """
    rest = 1.0 - min(share, 1.0)
    return rest * (rest * planned + elapsed)


def _stages(units: Sequence[Unit]) -> tuple[dict[str, float], Counter[str]]:
    """Seconds of each stage by the token that names of its tasks end in, and the number of tasks by token."""
    of_kind = rates()
    graph = graph_of([unit.dataset for unit in units])
    seconds = {token_of(key): seconds_of(stage.work, of_kind) for key, stage in find_stages(graph).items()}
    return seconds, Counter(map(token_of, graph))
