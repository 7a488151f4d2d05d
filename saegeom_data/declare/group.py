"""The result of one metric of a run in memory: what headlines, figures and findings are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Group:
    """The result of one metric of a run, in memory.

    Attributes
    ----------
    name
        Name of the group in the results.
    metric
        Registered name of the metric.
    scale
        ``"galaxy"``, ``"brain"``, ``"atom"`` or whatever a third party declares.
    parameters
        All parameters of the metric, defaults included.
    data
        The result.
    """

    name: str
    metric: str
    scale: str
    parameters: Mapping[str, Any]
    data: xr.Dataset

    @property
    def over(self) -> str:
        """What the rows of the result are: ``"sae"`` or ``"site"``."""
        return "sae" if "sae" in self.data.dims else "site"

    @cached_property
    def rows(self) -> list[str]:
        """Names of its SAEs or sites."""
        if self.over not in self.data.dims:
            return []
        return [str(row) for row in self.data[self.over].values]

    @cached_property
    def places(self) -> dict[str, int]:
        """Places of its rows by their names."""
        return {row: place for place, row in enumerate(self.rows)}

    def has(self, *names: str) -> bool:
        """Whether it holds all of these variables."""
        return all(name in self.data.variables for name in names)

    def value(self, row: str, name: str, **where: Any) -> float | None:
        """One number of one row, or None if it is absent or not finite; ``where`` selects labels of other dims."""
        if name not in self.data.variables or row not in self.places:
            return None
        # By numpy: xarray's own selection takes a hundred times as long, and a page asks for thousands of numbers.
        variable, place = self.data.variables[name], {self.over: self.places[row]}
        for dim, label in where.items():
            if dim in variable.dims:
                labels = self.data.variables[dim].values if dim in self.data.coords else np.array([])
                # Not sel(), which raises where a result lacks the label.
                places = np.flatnonzero(labels == label)
                if not places.size:
                    return None
                place[dim] = int(places[0])
        if variable.dtype.kind not in "fiub" or any(dim not in place for dim in variable.dims):
            return None
        picked = float(variable.values[tuple(place[str(dim)] for dim in variable.dims)])
        return picked if np.isfinite(picked) else None

    def values(self, rows: Iterable[str], name: str, **where: Any) -> list[float]:
        """Numbers of some rows as :meth:`value` gives them, without rows that have none."""
        return [value for row in rows if (value := self.value(row, name, **where)) is not None]

    def coordinate(self, row: str, name: str) -> Any:
        """Value of a coordinate (site, layer, width, l0) of one row, or None."""
        if name == self.over:
            return row
        if name not in self.data.coords or self.data.variables[name].dims != (self.over,):
            return None
        value = self.data.variables[name].values[self.places[row]]
        return value.item() if isinstance(value, np.generic) else value
