"""How parallelograms of word pairs are shown."""

from __future__ import annotations

from saegeom_data.declare.presentation import Headline, Presentation, Reading
from saegeom_data.metrics.atom.parallelogram_quality.claims import HELD_OUT, LENGTH, claims
from saegeom_data.metrics.atom.parallelogram_quality.figure import figures
from saegeom_data.metrics.atom.parallelogram_quality.finding import findings
from saegeom_data.metrics.nulls import label_permutation

_GAIN = HELD_OUT | {"score": "silhouette", "view": "lda"}
_ANALOGY = HELD_OUT | {"score": "analogy_gain", "view": "raw"}
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
                Reading(
                    "improvement_above_null",
                    _GAIN | {"null": label_permutation.LABEL},
                    key="improvement_above_shuffled",
                    label="beyond shuffled relations",
                ),
            ),
            description="Silhouette of the offsets of relations before and after LDA, on held-out word pairs; their "
            "difference with its 95 percent interval, and the same less what LDA does to shuffled relations",
        ),
        Headline(
            "analogies over baseline",
            (
                Reading(
                    "analogy_gain",
                    _ANALOGY,
                    interval=(
                        Reading("low", _ANALOGY, key="analogy_gain_low"),
                        Reading("high", _ANALOGY, key="analogy_gain_high"),
                    ),
                ),
            ),
            (Reading("analogy_gain_p", _ANALOGY, style="p"),),
            description="Share of analogies that the offset of a pair of the same relation answers right, less that of "
            "the better of no offset and the offset of another relation; 95 percent interval and one-sided p of a "
            "jackknife over pairs",
        ),
        Headline(
            "PC1 : word length",
            (Reading("nuisance_spearman", _LENGTH, key="length_spearman", digits=2),),
            (Reading("nuisance_spearman_p", _LENGTH, key="length_p", style="p"),),
            description="Rank correlation of the offsets' first principal component with the difference of word "
            "lengths, and its p with relations' means and pairs within relations shuffled",
        ),
    ),
    figures=figures,
    findings=findings,
    claims=claims,
    terms={
        "Silhouette": "How much closer a point lies to its own group than to the next one, from −1 to 1.",
        "Offsets dealt anew": "A null model: each pair keeps its source and gets the offset of any pair, turned around "
        "with probability one half, so that targets lie near their own sources but no offset is common.",
        "LDA": "Linear discriminant analysis: the directions that tell relations apart, relative to the spread within "
        "them. Held out means fitted on other word pairs than those it is scored on.",
    },
    place=10,
)
