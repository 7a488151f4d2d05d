"""How co-occurrence is shown.

Matrices of pairs of features, which no table and no figure shows.
"""

from __future__ import annotations

from saegeom_data.declare.presentation import Presentation

PRESENTATION = Presentation(place=70)
