"""What the units of one SAE or site take of memory, from what their stages state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from saegeom_data.engine.sizes import size_text
from saegeom_data.engine.units import Unit, by_source, graph_of

if TYPE_CHECKING:
    from saegeom_data.lazy import Stage

# Reading a block takes its compressed bytes, which may be as many, and the decoded chunks inside it as well.
_READING = 2.3


@dataclass(frozen=True)
class Demand:
    """What the units of one SAE or site take, in bytes: what is held beside the tasks in work, and what these take."""

    name: str
    held: int
    stages: tuple[Stage, ...]
    reads: Mapping[str, int]
    n_tasks: int


def demands_of(units: Sequence[Unit], *, written: bool) -> list[Demand]:
    """What the units of each SAE or site take; ``written`` as in :func:`saegeom_data.engine.planner.plan`."""
    return [_demand(members, written) for members in by_source(units)]


def _demand(units: Sequence[Unit], written: bool) -> Demand:
    """What the units of one SAE or site take."""
    from saegeom_data.data.write import is_tiled
    from saegeom_data.lazy import find_stages

    # All units at once, so that stages and blocks that metrics share count once.
    graph = graph_of([unit.dataset for unit in units])
    found = tuple(find_stages(graph).values())
    reads = {name: size for stage in found for name, size in stage.reads.items()}
    # Stages that wait for each other do not hold their partial results at the same time.
    held = max((_held(found, level) for level in {stage.after for stage in found}), default=0)
    tiled = sum(values.nbytes for unit in units for values in unit.dataset.values() if is_tiled(values))
    return Demand(units[0].name, held if written else held + tiled, found, reads, len(graph))


def _held(stages: Sequence[Stage], level: int) -> int:
    """Bytes beside the tasks in work while stages of one level run: what waits in them, and all results so far."""
    waiting = sum(stage.waiting * stage.memory.partial for stage in stages if stage.after == level)
    return waiting + sum(stage.output for stage in stages if stage.after <= level)


def most_of(demand: Demand, n_workers: int) -> int:
    """Bytes of the largest tasks of one demand, as many as there are workers."""
    return sum(sorted((size for size, _ in tasks_of(demand, n_workers)), reverse=True)[:n_workers])


def tasks_of(demand: Demand, n_workers: int) -> Iterator[tuple[int, str]]:
    """Bytes of each task that may be in work at the same time as others, and what to say of it.

    A task of a chunk or tile takes given + task + partial, and the last one of a stage finish + partial, or given
    instead of partial where it gathers its inputs itself; either takes what reading its block does if that is more. Of
    the former as many may run as there are workers.
    """
    for stage in demand.stages:
        # Once a block is decoded its compressed bytes are let go of, before it is worked on.
        read = int(stage.given * _READING) if stage.reads else 0
        given = stage.given if stage.pattern == "whole" else stage.memory.partial
        finish = max(read if stage.pattern == "whole" else 0, stage.memory.finish + given)
        yield finish, _say(demand, stage, finish)
        if stage.pattern != "whole":
            size = max(read, stage.given + stage.memory.task + stage.memory.partial)
            for _ in range(n_workers):
                yield size, _say(demand, stage, size)


def _say(demand: Demand, stage: Stage, size: int) -> str:
    change = f"lower {stage.memory.lower}" if stage.memory.lower else ""
    if stage.pattern == "rows" and not change:
        change = "write the store in smaller chunks"
    return f"{size_text(size)} of {stage.function} on {demand.name}" + (f"; {change}" if change else "")
