"""How tokens of features are shown: on the page of a feature and as findings; in no table."""

from __future__ import annotations

from saegeom_data.declare.presentation import Presentation
from saegeom_data.metrics.brain.feature_tokens.finding import findings

PRESENTATION = Presentation(findings=findings, place=90)
