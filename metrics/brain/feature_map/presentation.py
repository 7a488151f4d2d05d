"""How maps of features are shown.

Positions, which the figure of lobes draws.
"""

from __future__ import annotations

from saegeom_data.declare.presentation import Presentation

PRESENTATION = Presentation(place=50)
