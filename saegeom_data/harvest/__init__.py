"""From text to a store: activations of a real model, SAEs trained on them or ready made, and where features fire.

``recipe`` is what a spec may say, and ``plan`` tells what it takes. ``build`` runs the stages, which lie in ``text``,
``model``, ``saes`` and ``words``. Each stage leaves a finished folder, and ``assemble`` writes the store from them.
"""

from __future__ import annotations

from saegeom_data.harvest.build import build
from saegeom_data.harvest.recipe import Recipe

__all__ = ["Recipe", "build"]
