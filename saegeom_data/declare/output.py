"""The declaration of what a metric gives: one variable of its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from saegeom_data import lazy

Direction = Literal["", "higher", "lower"]


@dataclass(frozen=True)
class Output:
    """A variable of a metric's result.

    Parameters
    ----------
    name
        Name in the result.
    dims
        Names of its dimensions; none for a scalar.
    units
        Units of the values: ``"1"`` for pure numbers, ``"nats"``, ``"count"``.
    description
        What the values are, with range and direction.
    fill
        Value that pads it where SAEs of unequal size are put side by side.
    dtype
        Data type of the values; ``"str"`` for text.
    bounds
        Least and greatest value that it can take; None where there is no such bound.
    direction
        Which values are more of what it measures: ``"higher"``, ``"lower"``, or ``""`` where neither are.
    label
        What readers call it, as a heading; its name by default.
    """

    name: str
    dims: tuple[str, ...] = ()
    units: str = "1"
    description: str = ""
    fill: float | int | str = np.nan
    dtype: str = "float64"
    bounds: tuple[float | None, float | None] = (None, None)
    direction: Direction = ""
    label: str = ""

    def result(self, sizes: Mapping[str, int]) -> lazy.Result:
        """Dims, shape and dtype for a lazy step, given the size of each dimension.

        Examples
        --------
        >>> Output("lobe", ("features",), dtype="int64").result({"features": 3}).shape
        (3,)
        """
        # How long texts are is not known before they are made, and numpy's own text has one length.
        dtype = "object" if self.dtype == "str" else self.dtype
        return lazy.Result(self.dims, tuple(sizes[dim] for dim in self.dims), dtype)
