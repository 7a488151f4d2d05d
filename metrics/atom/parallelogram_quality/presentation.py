"""How parallelograms of word pairs are shown."""

from __future__ import annotations

from saegeom_data.declare.presentation import Headline, Presentation, Reading
from saegeom_data.metrics.atom.parallelogram_quality.distractors_figure import LENGTH
from saegeom_data.metrics.atom.parallelogram_quality.figure import figures
from saegeom_data.metrics.atom.parallelogram_quality.finding import findings

_GAIN = {"hold_out": "pairs", "score": "silhouette", "view": "lda"}
_LENGTH = LENGTH | {"scope": "all"}


def _silhouette(view: str) -> Reading:
    return Reading("silhouette", {"hold_out": "pairs", "view": view}, key=f"silhouette_{view}")


PRESENTATION = Presentation(
    headlines=(
        Headline(
            "silhouette raw → LDA",
            (_silhouette("raw"), _silhouette("lda")),
            (
                Reading(
                    "improvement",
                    _GAIN,
                    label="gain",
                    interval=(Reading("improvement_low", _GAIN), Reading("improvement_high", _GAIN)),
                ),
            ),
            description="Silhouette of the offsets of relations before and after LDA, on held-out word pairs; gain "
            "beyond chance with its 95 percent interval",
        ),
        Headline(
            "PC1 : word length",
            (Reading("nuisance_spearman", _LENGTH, key="length_spearman", digits=2),),
            (Reading("nuisance_spearman_p", _LENGTH, key="length_p", style="p"),),
            description="Rank correlation of the offsets' first principal component with the difference of word "
            "lengths, and its p with word lengths shuffled",
        ),
    ),
    figures=figures,
    findings=findings,
    terms={
        "Silhouette": "How much closer a point lies to its own group than to the next one, from −1 to 1.",
        "LDA": "Linear discriminant analysis: the directions that tell relations apart, relative to the spread within "
        "them. Held out means fitted on other word pairs than those it is scored on.",
    },
    place=10,
)
