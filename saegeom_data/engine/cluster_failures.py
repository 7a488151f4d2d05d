"""Why a computation on a cluster failed, in one line that names the stage and what to lower."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saegeom_data.errors import ClusterError
from saegeom_data.lazy import find_stages

# So many stages are named.
_NAMED = 3


class DisconnectedError(Exception):
    """The client has lost its scheduler."""


class StarvedError(Exception):
    """No worker has memory left to go on."""

    def __init__(self, keys: Sequence[Any]) -> None:
        super().__init__(keys)
        self.keys = keys


def tasks_of(graph: Any) -> dict[Any, Any]:
    """Tasks of a graph as dask hands it to a scheduler."""
    return dict(graph.__dask_graph__() if hasattr(graph, "__dask_graph__") else graph)


def _stage_of(graph: Any, key: Any) -> Any:
    """The stage that a task is of: that of the first last task among those that wait for it; None if there is none."""
    from dask.core import get_dependencies, reverse_dict

    tasks = tasks_of(graph)
    stages = find_stages(tasks)
    waiting = reverse_dict({name: get_dependencies(tasks, name) for name in tasks})
    seen, level = {key}, [key]
    while level:
        for name in level:
            if name in stages:
                return stages[name]
        level = [after for name in level for after in waiting.get(name, ()) if after not in seen]
        seen.update(level)
    return None


def out_of_memory(address: str, graph: Any, keys: Sequence[Any], what: str) -> ClusterError:
    """Error for workers that ran out of memory: the stages that ran, and what to lower.

    Parameters
    ----------
    address
        Of the scheduler.
    graph
        What was computed.
    keys
        Tasks that were in work when memory was gone.
    what
        What happened to the workers.
    """
    stages = {stage.function: stage.memory.lower for key in keys if (stage := _stage_of(graph, key)) is not None}
    ran = " and ".join(list(stages)[:_NAMED]) or f"a task {str(keys[0])[:80]}" if keys else "a task"
    lower = " and ".join(dict.fromkeys(parameter for parameter in stages.values() if parameter))
    advice = f"lower {lower}, or " if lower else ""
    return ClusterError(
        f"{address}: workers that ran {ran} {what} and the run was ended; {advice}start workers with fewer"
        " threads or more memory"
    )
