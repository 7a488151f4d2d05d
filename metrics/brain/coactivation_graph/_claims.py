"""What coactivation_graph tests: that features form communities, and that communities are the lobes."""

from __future__ import annotations

import math

from saegeom_data.declare.claim import Claim
from saegeom_data.declare.group import Group
from saegeom_data.metrics.nulls import fixed_margins, label_permutation
from saegeom_data.results.judgement import null_tests

COMMUNITIES, LOBES = "communities", "communities and lobes"


def claims(group: Group) -> list[Claim]:
    """One claim per row on the communities themselves, and one on the lobes that are nearly as many."""
    if "n_lobes" not in group.data.coords:
        return []
    made = []
    for row in group.rows:
        made.append(
            Claim(
                COMMUNITIES,
                row,
                "features that fire together form communities",
                null_tests(
                    group,
                    row,
                    "modularity_p",
                    mean="modularity_null_mean",
                    deviation="modularity_null_sd",
                    only=(fixed_margins.LABEL,),
                ),
                value=group.value(row, "modularity"),
            )
        )
        count = as_many(group, row)
        value, low, high = (
            group.value(row, f"relative_agreement{end}", n_lobes=count) for end in ("", "_low", "_high")
        )
        made.append(
            Claim(
                LOBES,
                row,
                "communities agree with lobes of other documents",
                null_tests(
                    group, row, "ami_across_p", mean="ami_across_null_mean", only=(label_permutation.LABEL,),
                    n_lobes=count,
                ),
                value=value,
                low=low,
                high=high,
            )
        )  # fmt: skip
    return made


def as_many(group: Group, row: str) -> int:
    """The number of lobes that is nearest, by ratio, to the number of communities: chosen without their agreement."""
    counts = [int(count) for count in group.data["n_lobes"].values]
    found = max(group.value(row, "n_communities") or 1.0, 1.0)
    return min(counts, key=lambda count: abs(math.log(count / found)))
