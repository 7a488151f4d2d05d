"""SAEs and sites at which a result has no value, in words: an empty column would leave a reader to guess."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Headline
from saegeom_data.results.presentations import Failures, presentation_of
from saegeom_data.results.scalars import scalar_names
from saegeom_data.results.wording import some


def undefined(groups: Sequence[Group], failures: Failures | None = None) -> list[str]:
    """Return a sentence, without its stop, for each result that is undefined and what it counted there.

    Parameters
    ----------
    groups
        Results of one run.
    failures
        Receives what could not be read.

    Returns
    -------
    list of str
        For each result and its counts, the SAEs or sites at which it has none of its headline numbers, which its
        presentation names; a result that shows none is passed over.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> outputs = {"size": ("sae", [np.nan, 2.0]), "n_used": ("sae", [1, 9])}
    >>> undefined([Group("mine", "mine", "other", {}, xr.Dataset(outputs, {"sae": ["layer_0", "layer_1"]}))])
    ['mine of layer_0: none of its numbers in the table is defined (n_used 1)']
    """
    failures = failures or Failures()
    return [sentence for group in groups for sentence in _of(group, failures)]


def _of(group: Group, failures: Failures) -> list[str]:
    presentation = presentation_of(group, failures)
    headlines: tuple[Headline, ...] = failures.guarded(
        group.metric, "headlines", presentation.headlines_of, group, otherwise=()
    )
    counts = [name for name in scalar_names(group) if group.data[name].dtype.kind in "iu"]
    # Counts are there where nothing else is.
    shown = [reading for headline in headlines for reading in headline.values if reading.output not in counts]
    found: dict[str, list[str]] = {}
    for row in group.rows if shown else []:
        values = (failures.guarded(group.metric, "headlines", part.read, group, row, otherwise=None) for part in shown)
        if all(value is None for value in values):
            counted = ", ".join(f"{name} {group.value(row, name):,.0f}" for name in counts)
            found.setdefault(counted, []).append(row)
    return [
        f"{group.name} of {some(rows)}: none of its numbers in the table is defined{f' ({counted})' if counted else ''}"
        for counted, rows in found.items()
    ]
