"""What a run leaves out because the data cannot serve it, so that the rest is measured all the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from saegeom_data.data import schema
from saegeom_data.data.schema import Variable
from saegeom_data.declare.metric import Metric
from saegeom_data.errors import DataValueError, SaegeomError
from saegeom_data.results.wording import listing, some


@dataclass(frozen=True)
class _Entry:
    group: str
    row: str
    reason: str


@dataclass
class LeftOut:
    """What was left out of a run, gathered while it is built and computed.

    Attributes
    ----------
    entries
        Result, SAE or site (empty for all), and reason.
    asked
        How many SAEs or sites each result was asked for.

    Examples
    --------
    >>> left_out = LeftOut(asked={"lobes": 3})
    >>> for layer in range(2):
    ...     left_out.add("lobes", f"layer_{layer}", "got 1 document, expected 2 or more")
    >>> left_out.sentences()
    ['lobes of layer_0 and layer_1: got 1 document, expected 2 or more']
    """

    entries: list[_Entry] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)

    def add(self, group: str, row: str, reason: str) -> None:
        """Note a result that is left out for one SAE or site, or for all if ``row`` is empty."""
        self.entries.append(_Entry(group, row, reason))

    def sentences(self) -> list[str]:
        """One line for each reason and what it leaves out; results of the same SAEs or sites share a line."""
        rows: dict[tuple[str, str], list[str]] = {}
        for entry in self.entries:
            rows.setdefault((entry.group, entry.reason), []).append(entry.row)
        # Turned around: first what one reason leaves out of each result, then which results that is alike for.
        groups: dict[tuple[str, str], list[str]] = {}
        for (group, reason), names in rows.items():
            groups.setdefault((_of(names, self.asked.get(group, 0)), reason), []).append(group)
        return [f"{listing(names)}{which}: {reason}" for (which, reason), names in groups.items()]

    def refuse_nothing_left(self) -> None:
        """Raise :class:`DataValueError` with every reason; for a run of which nothing is left."""
        raise DataValueError(*self.sentences())


def _of(names: Sequence[str], n_rows: int) -> str:
    if not all(names) or len(names) >= max(n_rows, 1):
        return ""
    return f" of {some(names)}"


# What is there or not as a whole goes by its own name, which says more than the names of its parts.
_TOGETHER = {
    "codes": schema.CODES,
    "text (/tokens and /documents)": schema.TEXT,
}


def missing_inputs(name: str, inputs: Sequence[Variable], variables: Sequence[str], no_occurrence: str = "") -> str:
    """Why data without some inputs of what is ``name``d cannot serve it; empty if it has all."""
    missing = [variable for variable in inputs if variable.name not in variables]
    if not missing:
        return ""
    together = [what for what, parts in _TOGETHER.items() if any(part in missing for part in parts)]
    alone = [each for each in missing if not any(each in parts for parts in _TOGETHER.values())]
    words = listing(
        [*together, *(f"{variable.name} ({', '.join(variable.dims)})" for variable in alone)], joined_by="or"
    )
    because = f"; its codes give none: {no_occurrence}" if no_occurrence else ""
    return f"the data has no {words}, which {name} needs{because}"


def reason_of(error: SaegeomError, metric: Metric) -> str:
    """What an error says, in one line; without the name of the metric, as the name of the result stands before it."""
    return "; ".join(str(problem).removeprefix(f"{metric.name}: ") for problem in error.problems)
