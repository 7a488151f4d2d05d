"""Threads inside one task, for stages that are a single large matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")


def n_threads() -> int:
    """Threads of :func:`each`: the cores that dask counts."""
    from dask.system import CPU_COUNT

    return int(CPU_COUNT)


def each(function: Callable[[Item], Value], items: Sequence[Item], *, is_spread: bool = True) -> list[Value]:
    """Values of a function that releases the GIL, in the order of the items; on one thread unless it ``is_spread``.

    A run limits BLAS to one thread and keeps as many tasks in work as there are cores; a lone large task would leave
    the others idle. What is computed must not depend on how the items are shared out.
    """
    # Without a pool, as its threads cost more than a small item, and wait for the interpreter longer than they compute.
    if not is_spread or n_threads() == 1 or len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(n_threads()) as pool:
        return list(pool.map(function, items))
