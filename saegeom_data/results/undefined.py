"""SAEs and sites at which a result has no value: an empty column would leave a reader to guess."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Headline
from saegeom_data.results.presentations import Failures, presentation_of
from saegeom_data.results.scalars import scalar_names
from saegeom_data.results.wording import some


@dataclass(frozen=True)
class Undefined:
    """A result that is undefined at some SAEs or sites.

    Attributes
    ----------
    result
        Name of the result.
    rows
        SAEs or sites at which none of its headline numbers is defined.
    counts
        What it counted at each of them, by the names of outputs; without counts of 0.
    """

    result: str
    rows: tuple[str, ...]
    counts: Mapping[str, int]

    def __str__(self) -> str:
        """Return a sentence without its stop."""
        counted = ", ".join(f"{name} {count:,}" for name, count in self.counts.items())
        which = f"{self.result} of {some(self.rows)}"
        return f"{which}: none of its headline numbers is defined{f' ({counted})' if counted else ''}"


def undefined(groups: Sequence[Group], failures: Failures | None = None) -> list[Undefined]:
    """Return the results that are undefined, one for each result and what it counted.

    Parameters
    ----------
    groups
        Results of one run. Headline numbers are those of the metric's presentation; a result without any is passed
        over.
    failures
        Receives what could not be read.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> outputs = {"size": ("sae", [np.nan, 2.0]), "n_used": ("sae", [1, 9])}
    >>> found = undefined([Group("mine", "mine", "other", {}, xr.Dataset(outputs, {"sae": ["layer_0", "layer_1"]}))])
    >>> str(found[0])
    'mine of layer_0: none of its headline numbers is defined (n_used 1)'
    """
    failures = failures or Failures()
    return [found for group in groups for found in _of(group, failures)]


def _of(group: Group, failures: Failures) -> Iterator[Undefined]:
    presentation = presentation_of(group, failures)
    headlines: tuple[Headline, ...] = failures.guarded(
        group.metric, "headlines", presentation.headlines_of, group, otherwise=()
    )
    names = [name for name in scalar_names(group) if group.data[name].dtype.kind in "iu"]
    # Counts are there where nothing else is.
    shown = [reading for headline in headlines for reading in headline.values if reading.output not in names]
    rows: dict[tuple[tuple[str, int], ...], list[str]] = {}
    for row in group.rows if shown else []:
        values = (failures.guarded(group.metric, "headlines", part.read, group, row, otherwise=None) for part in shown)
        if all(value is None for value in values):
            # What is 0 was seldom asked for, and says nothing of why.
            counts = tuple((name, int(count)) for name in names if (count := group.value(row, name)))
            rows.setdefault(counts, []).append(row)
    for counts, members in rows.items():
        yield Undefined(group.name, tuple(members), dict(counts))
