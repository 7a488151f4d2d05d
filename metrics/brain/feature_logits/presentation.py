"""How tokens that features raise and lower are shown: on the page of a feature and as findings; in no table."""

from __future__ import annotations

from saegeom_data.declare.presentation import Presentation
from saegeom_data.metrics.brain.feature_logits.finding import findings

PRESENTATION = Presentation(findings=findings, place=91)
