"""How function vectors are shown."""

from __future__ import annotations

from saegeom_data.declare.presentation import Presentation
from saegeom_data.metrics.atom.function_vectors.figure import figures
from saegeom_data.metrics.atom.function_vectors.finding import claims, findings

PRESENTATION = Presentation(figures=figures, findings=findings, claims=claims, place=20)
