"""How crystals are shown."""

from __future__ import annotations

from saegeom_data.declare.presentation import Headline, Presentation, Reading
from saegeom_data.metrics.atom.crystal_search.claims import claims
from saegeom_data.metrics.atom.crystal_search.figure import KINDS, figures
from saegeom_data.metrics.atom.crystal_search.finding import findings
from saegeom_data.metrics.nulls import exchanged_offsets, spectrum_matched


def _headline(kind: str, words: str) -> Headline:
    """Families of a kind, pairs of the largest family, and p of the highest score under each null model."""
    where = {"kind": kind}
    tested = tuple(
        Reading("largest_score_p", {**where, "null": null}, key=f"{kind}_p_{null}", style="p")
        for null in (spectrum_matched.LABEL, exchanged_offsets.LABEL)
    )
    return Headline(
        f"families of {words}",
        (Reading("n_families", where, key=f"{kind}_n_families", digits=0),),
        (Reading("largest_pairs", where, key=f"{kind}_largest_pairs", after="pairs in the largest", digits=0), *tested),
        description="Families of pairs with agreeing offsets, found beyond both null models at the stated false "
        "discovery rate; pairs of the largest candidate; p of the highest score against directions of the same mean "
        "and covariance, and against offsets exchanged between clusters",
    )


PRESENTATION = Presentation(
    headlines=tuple(_headline(kind, words) for kind, (words, *_) in KINDS.items()),
    figures=figures,
    findings=findings,
    claims=claims,
    terms={
        "family of crystals": "pairs of features whose steps are alike, directly or through other pairs of the family",
    },
    place=30,
)
