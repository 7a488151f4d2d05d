"""How long a run will take, before it starts: from what its stages compute and how fast this machine is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from saegeom_data.engine.rates import READ, rates
from saegeom_data.engine.sizes import plan_line
from saegeom_data.engine.units import Unit, by_source, graph_of
from saegeom_data.lazy import KINDS, Stage, Work, find_stages

if TYPE_CHECKING:
    from collections.abc import Hashable

# What this package and dask do beside the work: for each result of a metric, each of its stages, and each task.
_UNIT, _STAGE, _TASK = Work(calls=20_000), Work(calls=2_000), Work(calls=100)


@dataclass(frozen=True)
class Estimate:
    """Seconds that something takes: on the clock with the cores that the run has, and of processors in all.

    ``is_least`` says that a part of it states no work, so that it takes so long at least.
    """

    seconds: float
    processor: float
    is_least: bool = False


@dataclass(frozen=True)
class Times:
    """What a run takes, by result of a metric and in all.

    What metrics share is in each of them, as if it were computed alone, and once in ``all``.
    """

    all: Estimate
    metrics: Mapping[str, Estimate] = field(default_factory=dict)

    def lines(self, *, goes_on: bool = False) -> Iterator[str]:
        """The same as text; ``goes_on`` says that more may be drawn where the first draws cannot tell."""
        more = "; longer where drawing goes on" if goes_on else ""
        yield plan_line("time", f"{_in_words(self.all)}{more}")
        for group, estimate in self.metrics.items():
            yield plan_line("", f"{group}: {'unknown' if estimate.is_least else duration(estimate.seconds)}")

    def __add__(self, other: Times) -> Times:
        """Both, one after the other."""
        return Times(
            _added(self.all, other.all),
            {
                group: _added(*(times.metrics[group] for times in (self, other) if group in times.metrics))
                for group in dict.fromkeys((*self.metrics, *other.metrics))
            },
        )


def _added(*estimates: Estimate) -> Estimate:
    return Estimate(
        sum(estimate.seconds for estimate in estimates),
        sum(estimate.processor for estimate in estimates),
        any(estimate.is_least for estimate in estimates),
    )


def _in_words(estimate: Estimate) -> str:
    if not estimate.is_least:
        return f"{about(estimate.seconds)} to compute"
    if estimate.seconds < 1:
        return "not known" + (f"; what is known takes {about(estimate.seconds)}" if estimate.seconds else "")
    return f"at least {duration(estimate.seconds)} to compute"


def about(seconds: float) -> str:
    """Write an estimated time for a person; a bound is not said to be about right.

    Examples
    --------
    >>> about(0.2), about(41.6)
    ('under 1 s', 'about 42 s')
    """
    return duration(seconds) if seconds < 1 else f"about {duration(seconds)}"


def duration(seconds: float) -> str:
    """Write a time for a person, in one or two units.

    Examples
    --------
    >>> duration(0.2), duration(41.6), duration(150), duration(9000)
    ('under 1 s', '42 s', '2 min 30 s', '2 h 30 min')
    """
    if seconds < 1:
        return "under 1 s"
    whole = round(seconds)
    for size, unit, part, smaller in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part} {smaller}"
    return f"{whole} s"


def estimate(
    units: Sequence[Unit], n_workers: int, at_once: int, *, machine: Mapping[str, float] | None = None
) -> Times:
    """State how long units take on an idle machine. Nothing is computed and no array is read.

    Parameters
    ----------
    units
        What :func:`saegeom_data.engine.units.evaluate_units` gives.
    n_workers, at_once
        Tasks, and SAEs or sites, in work at a time, as they are planned.
    machine
        Seconds of each kind of work on the machine, as :func:`saegeom_data.engine.rates.rates` gives them; this machine
        by default.

    Returns
    -------
    Times
        Of computing alone, without the time in which libraries are loaded and the report is drawn.

    Examples
    --------
    >>> from saegeom_data.data.selection import Selection
    >>> from saegeom_data.engine.units import evaluate_units
    >>> from saegeom_data.spec.models import RunSpec
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> metrics = [{"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 20}}]
    >>> run = RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "Slopes", "metrics": metrics})
    >>> times = estimate(evaluate_units(run, Selection(simulate_store().chunk())), n_workers=2, at_once=2)
    >>> 0 < times.metrics["eigenvalue_slope"].seconds < 100
    True
    """
    of_kind = rates() if machine is None else machine
    parts: dict[str, list[_Part]] = {}
    alone: list[_Part] = []
    for members in by_source(units):
        found = [(unit, _Part.of(unit, of_kind)) for unit in members]
        for unit, part in found:
            parts.setdefault(unit.group, []).append(part)
        # Stages and tasks that metrics share have one key, and count once.
        alone.append(_Part.together([part for _, part in found]))
    return Times(
        _estimated(alone, of_kind, n_workers, at_once),
        {group: _estimated(members, of_kind, n_workers, at_once) for group, members in parts.items()},
    )


@dataclass(frozen=True)
class _Part:
    """What some units of one SAE or site compute: stages and tasks by their keys."""

    n_units: int
    stages: Mapping[Hashable, Stage]
    tasks: frozenset[Any]
    is_least: bool

    @classmethod
    def of(cls, unit: Unit, of_kind: Mapping[str, float]) -> _Part:
        """What one unit computes."""
        graph = graph_of([unit.dataset])
        stages = find_stages(graph)
        # Without a stage nothing is known of what its tasks do.
        is_least = not stages or any(stage.work is None for stage in stages.values())
        return cls(1, stages, frozenset(graph), is_least)

    @classmethod
    def together(cls, parts: Sequence[_Part]) -> _Part:
        """What several units of one SAE or site compute."""
        stages = {key: stage for part in parts for key, stage in part.stages.items()}
        tasks = frozenset().union(*(part.tasks for part in parts))
        return cls(sum(part.n_units for part in parts), stages, tasks, any(part.is_least for part in parts))


def _estimated(parts: Sequence[_Part], of_kind: Mapping[str, float], n_workers: int, at_once: int) -> Estimate:
    """Time of parts that are computed ``at_once`` at a time.

    The larger of what all processors do, shared out, and of what the parts take by themselves, ``at_once`` at a time.
    """
    processor = [_processor(part, of_kind) for part in parts]
    alone = [_alone(part, of_kind, n_workers) for part in parts]
    return Estimate(
        max(sum(processor) / n_workers, sum(alone) / at_once, max(alone, default=0.0)),
        sum(processor),
        any(part.is_least for part in parts),
    )


def _processor(part: _Part, of_kind: Mapping[str, float]) -> float:
    """Seconds of processors that a part takes."""
    work = sum(seconds_of(stage.work, of_kind) for stage in part.stages.values())
    return work + _overhead(part, of_kind) + _reading(part, of_kind)


def _alone(part: _Part, of_kind: Mapping[str, float], n_workers: int) -> float:
    """Seconds that a part takes with all workers: stages of one level side by side, one level after the other.

    A level takes as long as its stages shared out evenly, and no less than the longest of them on as many workers as
    it has parts for. The interpreter is one for all workers.
    """
    levels: dict[int, list[Stage]] = {}
    for stage in part.stages.values():
        levels.setdefault(stage.after, []).append(stage)
    total = _overhead(part, of_kind) + _reading(part, of_kind) / n_workers
    for stages in levels.values():
        seconds = [seconds_of(stage.work, of_kind) for stage in stages]
        longest = max(
            time / (n_workers if stage.work is not None and stage.work.spread else min(stage.parts, n_workers))
            for time, stage in zip(seconds, stages, strict=True)
        )
        total += max(sum(seconds) / n_workers, longest)
    return total


def _overhead(part: _Part, of_kind: Mapping[str, float]) -> float:
    return seconds_of(part.n_units * _UNIT + len(part.stages) * _STAGE + len(part.tasks) * _TASK, of_kind)


def _reading(part: _Part, of_kind: Mapping[str, float]) -> float:
    reads = {name: size for stage in part.stages.values() for name, size in stage.reads.items()}
    return sum(reads.values()) * of_kind[READ]


def seconds_of(work: Work | None, of_kind: Mapping[str, float]) -> float:
    """Seconds of one core for what a stage computes; 0 where it does not say, which whoever asks has to tell."""
    return 0.0 if work is None else sum(getattr(work, kind) * of_kind[kind] for kind in KINDS)
