"""What is claimed of each spectrum: steeper than every null of isotropic rows, and no power law."""

from __future__ import annotations

from saegeom_data.declare.claim import Claim, NullTest
from saegeom_data.declare.group import Group
from saegeom_data.metrics.nulls import families_turned, marchenko_pastur, power_law
from saegeom_data.results.judgement import null_tests, nulls_of

STEEPER, BENT = "slope of the spectrum", "power law of the spectrum"
ISOTROPIC = (marchenko_pastur.LABEL, families_turned.LABEL)


def claims(group: Group) -> list[Claim]:
    """Both claims of each row that has a slope; none of results that have no test of a power law."""
    if not group.has("slope", "slope_p", "power_law_p"):
        return []
    made = []
    for row in group.rows:
        slope = group.value(row, "slope")
        if slope is None:
            continue
        low, high = (group.value(row, f"slope_{end}") for end in ("low", "high"))
        steeper = null_tests(group, row, "slope_p", mean="slope_null", other="complement", only=ISOTROPIC)
        statement, opposite = "the spectrum is steeper than chance", "the spectrum is flatter than chance"
        made.append(Claim(STEEPER, row, statement, steeper, opposite, slope, low, high))
        made.append(_bent(group, row))
    return made


def _bent(group: Group, row: str) -> Claim:
    p, expected = group.value(row, "power_law_p"), group.value(row, "power_law_curvature")
    other = None if p is None else 1 - p
    tests = tuple(NullTest(null, p, None, expected, other) for null in nulls_of(group) if null.label == power_law.LABEL)
    bend, low, high = (group.value(row, f"power_law_bend{end}") for end in ("", "_low", "_high"))
    statement, opposite = (f"the spectrum bends {way} from a power law" for way in ("downwards", "upwards"))
    return Claim(BENT, row, statement, tests, opposite, bend, low, high)
