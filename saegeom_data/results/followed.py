"""Numbers of results that are followed over depth, as the presentations of their metrics say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Measure
from saegeom_data.results.presentations import Failures, in_order

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Followed:
    """A number of one result that is followed over depth.

    Attributes
    ----------
    group
        The result that it is of.
    measure
        What is followed, in words.
    data
        The number over ``sae``, and its variants where the measure names them.
    """

    group: Group
    measure: Measure
    data: xr.Dataset

    @property
    def key(self) -> tuple[str, str]:
        """Group and output."""
        return self.group.name, self.measure.output

    def rows(self) -> list[str]:
        """SAEs that have a value."""
        is_known = np.isfinite(self.data[self.measure.output].values)
        return [row for row, known in zip(self.group.rows, is_known, strict=True) if known]

    def trend(self) -> xr.Dataset:
        """Its trend over depth.

        Raises
        ------
        DataValueError
            If there are too few SAEs, or layer or L0 are not known.
        """
        from saegeom_data.results.depth_trend import depth_trend

        variants = self.measure.variants if self.measure.variants in self.data.data_vars else ""
        return depth_trend(self.data, self.measure.output, extreme=self.measure.extreme, variants=variants)


def followed(groups: Sequence[Group], failures: Failures | None = None) -> list[Followed]:
    """What is followed over depth, of the results that are there: of each metric its first result that has the number.

    Parameters
    ----------
    groups
        Results of a run.
    failures
        Receives what could not be read.
    """
    failures = failures or Failures()
    found: dict[str, Followed] = {}
    for group, presentation in in_order(groups, failures):
        measure = presentation.over_depth
        if measure is None or group.metric in found or group.over != "sae" or not group.has(measure.output):
            continue
        data = failures.guarded(group.metric, "measure over depth", _selected, group, measure, otherwise=None)
        if data is None or data[measure.output].dims != ("sae",):
            continue
        # An estimator that leaves the number undefined must not keep a result that has it from being followed.
        if np.isfinite(data[measure.output].values).any():
            found[group.metric] = Followed(group, measure, data)
    return list(found.values())


def _selected(group: Group, measure: Measure) -> xr.Dataset | None:
    """The number and its variants, at the labels that the measure names; None where the result lacks one of them."""
    names = [name for name in (measure.output, measure.variants) if name in group.data.data_vars]
    data = group.data[names]
    for dim, label in measure.labels(group).items():
        # By position, as ``sel`` raises for a label that is not there and a run may lack one.
        places = np.flatnonzero(data[dim].values == label) if dim in data.coords else np.array([], int)
        if not places.size:
            return None
        data = data.isel({dim: int(places[0])})
    return data
