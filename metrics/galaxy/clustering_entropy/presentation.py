"""How clustering is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Headline, Measure, Presentation, Reading
from saegeom_data.metrics.galaxy.clustering_entropy.figure import NORM_KEEPING, figures, first_k, is_published, nulls_of
from saegeom_data.metrics.galaxy.clustering_entropy.finding import claims, findings


def _headlines(group: Group) -> Iterator[Headline]:
    """A column for each null that was run, or one for the published estimator."""
    if not group.has("k"):
        return
    if is_published(group):
        yield _published(first_k(group))
    elif group.has("negentropy", "null_sd", "null"):
        for null in nulls_of(group):
            yield _calibrated(null, first_k(group), is_shown=null == _null_shown(group))


def _calibrated(null: str, k: int, *, is_shown: bool) -> Headline:
    where, key = {"null": null, "k": k}, f"negentropy_{null}"
    return Headline(
        "negentropy",
        values=(Reading("negentropy", where, key=key, digits=2),),
        behind=(
            Reading("null_sd", where, key=f"{key}_null_sd", label="null sd", digits=2),
            Reading("p", where, key=f"{key}_p", style="p"),
        ),
        description="Calibrated negentropy in nats, with the standard deviation of its surrogates and p; above 0 is "
        "less random than the null",
        is_shown=is_shown,
    )


def _published(k: int) -> Headline:
    return Headline(
        "as published",
        values=(Reading("negentropy_uncalibrated", {"k": k}, key="negentropy_published", digits=1),),
        description="The published estimator in nats; white noise gives 362.6 at the paper's size",
    )


def _null_shown(group: Group) -> str:
    """The null to show where there is room for one: decoder rows have unit norm, so the one that keeps it."""
    nulls = nulls_of(group)
    return NORM_KEEPING if NORM_KEEPING in nulls or not nulls else nulls[0]


def _followed(group: Group) -> Mapping[str, Any]:
    return {"null": _null_shown(group), "k": first_k(group)}


PRESENTATION = Presentation(
    headlines=_headlines,
    figures=figures,
    findings=findings,
    claims=claims,
    over_depth=Measure(
        "negentropy",
        extreme="highest",
        axis="negentropy (nats)",
        subject="the cloud is least random",
        noun="negentropy",
        more="more negentropy",
        less="less negentropy",
        where=_followed,
    ),
    terms={
        "Negentropy": "How much more ordered a cloud is than a Gaussian one with the same spread, in nats; 0 is "
        "Gaussian.",
        "Close pairs": "Pairs of rows that point the same way, as 1 percent of the pairs of a Gaussian cloud do.",
    },
    place=20,
)
