"""Word pairs whose scores are known, for the anchors of metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


def exact_parallelograms() -> xr.Dataset:
    """Word pairs of which all of one relation have the same offset."""
    from saegeom_data.testing.simulate import simulate_relations

    return simulate_relations(noise=0.0)
