"""From text to a store: activations of a real model, SAEs trained on them, and where their features fire."""

from __future__ import annotations

from saegeom_data.harvest.build import build
from saegeom_data.harvest.recipe import Recipe

__all__ = ["Recipe", "build"]
