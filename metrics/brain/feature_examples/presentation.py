"""How examples of features are shown: on the page of a feature, in no table and no figure."""

from __future__ import annotations

from saegeom_data.declare.presentation import Presentation

PRESENTATION = Presentation(place=90)
