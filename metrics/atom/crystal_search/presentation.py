"""How crystals are shown."""

from __future__ import annotations

from saegeom_data.declare.presentation import Headline, Presentation, Reading
from saegeom_data.metrics.atom.crystal_search.figure import KINDS, figures
from saegeom_data.metrics.atom.crystal_search.finding import findings


def _headline(kind: str, words: str) -> Headline:
    """Crystals of a kind, how many are expected to be chance, and p of the best agreement."""
    where = {"kind": kind}
    return Headline(
        words,
        (Reading("n_crystals", where, key=f"{kind}_n_crystals", digits=0),),
        (
            Reading("n_false_expected", where, key=f"{kind}_n_false_expected", after="by chance", digits=1),
            Reading("largest_agreement_p", where, key=f"{kind}_largest_agreement_p", style="p"),
        ),
        description="Crystals found at the stated false discovery rate, how many are expected to be chance, and p of "
        "the best agreement",
    )


PRESENTATION = Presentation(
    headlines=tuple(_headline(kind, words) for kind, (words, *_) in KINDS.items()),
    figures=figures,
    findings=findings,
    place=30,
)
