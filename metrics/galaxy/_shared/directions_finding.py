"""Findings on feature directions: nearest neighbours, local dimension, hubs, packing and evenness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.galaxy._shared import directions_figure
from saegeom_data.metrics.galaxy._shared.directions_figure import MATCHED, SIMILARITIES, UNIFORM
from saegeom_data.report import draw
from saegeom_data.results.discoveries import FALSE_DISCOVERY_RATE, discoveries
from saegeom_data.results.wording import interval, listing, number, out_of, plural, probability, spread

_SURROGATES = "surrogates of the same mean and covariance"
# Dimensions estimated to be above this are too low.
_RELIABLE = 20.0
_EQUAL = 1e-9
# Of each test: the side that p is for, the other, and neither.
_CLOSENESS = ("closer", "farther apart", "neither closer nor farther apart beyond chance")
_DIMENSION = ("lower", "higher", "neither lower nor higher beyond chance")
_HUBS = ("more pronounced", "less pronounced", "neither more nor less pronounced beyond chance")
_OVERLAP = ("larger", "smaller", "neither larger nor smaller beyond chance")
_AXES = (
    "less evenly spread over axes",
    "more evenly spread over axes",
    "neither less nor more evenly spread over axes beyond chance",
)
_COMMON = (
    "more aligned with a common direction",
    "less aligned with a common direction",
    "neither more nor less aligned with a common direction beyond chance",
)


def findings(groups: Sequence[Group]) -> list[Finding | None]:
    """Findings for the groups that are there."""
    near, local = directions_figure.nearest(groups), directions_figure.dimension(groups)
    listed, tight = directions_figure.hubs(groups), directions_figure.packed(groups)
    even = directions_figure.evenness(groups)
    return [
        _nearest(near) if near is not None else None,
        _dimension(local) if local is not None else None,
        _hubs(listed) if listed is not None else None,
        _packing(tight) if tight is not None else None,
        _evenness(even) if even is not None else None,
    ]


@dataclass(frozen=True)
class _Side:
    """One side of a test: the layers ``found`` on it, and those ``unresolved``.

    Those lie beyond all surrogates, which are too few for that to be more than chance among so many layers.
    """

    words: str
    found: list[str]
    unresolved: list[str]


@dataclass(frozen=True)
class _Test:
    """A one-sided test at each layer, looked at from the side that its p is for and from the other.

    ``rows`` are the layers with a value, and ``p`` holds those of them that have a p. ``n_draws`` is the number of
    surrogates, None for exact laws.
    """

    rows: list[str]
    p: dict[str, float]
    sides: tuple[_Side, _Side]
    neither: str
    n_draws: int | None

    @property
    def is_found(self) -> bool:
        """Whether any layer stands out."""
        return any(side.found for side in self.sides)

    @property
    def is_unresolved(self) -> bool:
        """Whether more surrogates are needed to tell if any layer stands out."""
        return not self.is_found and any(side.unresolved for side in self.sides)

    @property
    def verdict(self) -> str:
        """On which side layers stand out, and at how many."""
        if self.is_unresolved:
            return self.at("unresolved")
        return self.at("found") if self.is_found else f"{self.neither} {_anywhere(self.rows)}"

    def at(self, kind: Literal["found", "unresolved"]) -> str:
        """At how many layers something is on each side; empty if at none."""
        beyond = " than in any of them" if kind == "unresolved" else ""
        parts = [(side.words, getattr(side, kind)) for side in self.sides]
        return listing([f"{words}{beyond} at {out_of(rows, self.rows, 'layer')}" for words, rows in parts if rows])

    @property
    def words(self) -> str:
        """The range of p, and what it cannot tell."""
        if not self.p:
            return "no p"
        low, high = (probability(end(self.p.values())) for end in (min, max))
        without = [row for row in self.rows if row not in self.p]
        missing = f", without one at {out_of(without, self.rows, 'layer')}" if without else ""
        draws = f", {plural(self.n_draws, 'surrogate')} a layer" if self.n_draws is not None else ""
        range_of = low if low == high else f"smallest {low}, largest {high}"
        unsure = f", {self.at('unresolved')} if not beyond chance" if self.is_found and self.at("unresolved") else ""
        return f"one-sided for {self.sides[0].words}: {range_of}{missing}{draws}{unsure}"

    @property
    def n_draws_needed(self) -> int:
        """The surrogates with which the unresolved layers would stand out, if they lie beyond those too."""
        fewest = min(len(side.unresolved) for side in self.sides if side.unresolved)
        return math.ceil(len(self.p) / (FALSE_DISCOVERY_RATE * fewest) - _EQUAL) - 1


def _test(words: tuple[str, str, str], group: Group, value: str, p: str, expected: str = "", **where: Any) -> _Test:
    """Test ``value``, whose mean over surrogates is ``expected``; without that, p is from an exact law.

    ``words`` name the side that p is for, the other, and neither.
    """
    rows = [row for row in group.rows if group.value(row, value, **where) is not None]
    known = {row: one for row in rows if (one := group.value(row, p, **where)) is not None}
    n_draws = _n_draws(group) if expected else None
    least = 1 / (n_draws + 1) if n_draws else 0.0
    # The data count among the draws on both sides, so that p of the two sides add up to more than 1.
    other = {row: min(1 - one + least, 1.0) for row, one in known.items()}
    if expected:
        # Where data and surrogates are all equal, p is 1 and says nothing of the other side.
        other = {row: one if _differs(group, row, value, expected, where) else 1.0 for row, one in other.items()}
    return _Test(rows, known, (_side(words[0], known, least), _side(words[1], other, least)), words[2], n_draws)


def _side(words: str, p: dict[str, float], least: float) -> _Side:
    found = discoveries(p)
    extreme = [row for row, one in p.items() if least and one <= least + _EQUAL and row not in found]
    return _Side(words, found, extreme)


def _differs(group: Group, row: str, value: str, expected: str, where: dict[str, Any]) -> bool:
    one, mean = (group.value(row, name, **where) for name in (value, expected))
    return one is not None and mean is not None and abs(one - mean) > _EQUAL * max(abs(mean), 1.0)


def _n_draws(group: Group) -> int | None:
    found = group.data.sizes.get("surrogate", group.parameters.get("n_surrogates"))
    return None if found is None else int(found)


def _headline(subject: str, verb: str, test: _Test) -> str:
    if not test.p:
        return _untold(subject, verb, test)
    doubt = _doubt(test, "that") if test.is_unresolved else ""
    return f"Compared with {_SURROGATES}, {subject} {verb} {test.verdict}{doubt}."


def _untold(subject: str, verb: str, test: _Test) -> str:
    question = f"Whether {subject} {verb} {test.sides[0].words} than in {_SURROGATES}"
    return f"{question} cannot be told: there are no such surrogates."


def _doubt(test: _Test, what: str) -> str:
    draws = "1 is" if test.n_draws == 1 else f"{test.n_draws} are"
    return f", but {draws} too few to call {what} more than chance: {test.n_draws_needed} are needed"


def _anywhere(rows: Sequence[str]) -> str:
    return "at any layer" if len(rows) > 1 else "at the one layer measured"


def _range(group: Group, rows: Sequence[str], name: str, digits: int = 3, **where: Any) -> str:
    """The range of a variable over some rows; empty if it is known for none."""
    values = [value for row in rows if (value := group.value(row, name, **where)) is not None]
    return spread(values, digits) if values else ""


def _among(*parts: str) -> str:
    """Remarks in round brackets; nothing for those that are empty."""
    told = [part for part in parts if part]
    return f" ({'; '.join(told)})" if told else ""


def _labelled(label: str, words: str) -> str:
    return f"{label} {words}" if words else ""


def _nearest(group: Group) -> Finding | None:
    """Whether features lie closer to their nearest neighbour than their covariance explains."""
    test = _test(_CLOSENESS, group, "mean_cosine", "p", "mean_cosine_null", null=MATCHED)
    if not test.rows:
        return None
    surrogates = _labelled("surrogates", _range(group, test.rows, "mean_cosine_null", null=MATCHED))
    uniform = _labelled("uniform directions", _range(group, test.rows, "mean_cosine_null", null=UNIFORM))
    exact = f"{uniform} by an exact law" if uniform else ""
    evidence = (
        f"The mean cosine of a feature and its nearest neighbour is {_range(group, test.rows, 'mean_cosine')}"
        f"{_among(surrogates, exact)}; {test.words}.{_farthest(group, test.rows)}"
    )
    return Finding("galaxy", "nearest neighbours", _headline("nearest neighbours", "are", test), evidence)


def _farthest(group: Group, rows: Sequence[str]) -> str:
    """The layer that differs most from its surrogates."""
    excess = {row: one for row in rows if (one := group.value(row, "mean_cosine_excess", null=MATCHED)) is not None}
    if len(excess) < 2:
        return ""
    row = max(excess, key=lambda one: abs(excess[one]))
    low, high = (group.value(row, f"mean_cosine_{end}") for end in ("low", "high"))
    ends = f" {interval(low, high)}" if low is not None and high is not None else ""
    return (
        f" It differs most from surrogates at {draw.row_name(group, row)}: {number(group.value(row, 'mean_cosine'))}"
        f"{ends} against {number(group.value(row, 'mean_cosine_null', null=MATCHED))}."
    )


def _dimension(group: Group) -> Finding | None:
    """Whether the cloud has fewer dimensions locally than its covariance explains."""
    test = _test(_DIMENSION, group, "two_nn", "two_nn_p", "two_nn_null_mean", null=MATCHED)
    if not test.rows:
        return None
    surrogates = _labelled("surrogates", _range(group, test.rows, "two_nn_null_mean", 1, null=MATCHED))
    evidence = [
        f"TwoNN, which uses the two nearest neighbours, gives {_range(group, test.rows, 'two_nn', 1)} dimensions"
        f"{_among(surrogates)}; {test.words}."
    ]
    k = directions_figure.most_neighbours(group)
    if k is not None:
        name = "maximum_likelihood"
        other = _test(_DIMENSION, group, name, f"{name}_p", f"{name}_null_mean", null=MATCHED, k=k)
        evidence += _maximum_likelihood(group, other, k) if other.rows else []
    evidence += _farther(group)
    if max(group.value(row, "two_nn") or 0.0 for row in test.rows) > _RELIABLE:
        evidence.append(
            f"Estimates above about {_RELIABLE:g} are too low, those of surrogates too, so that only the comparison "
            "counts."
        )
    return Finding("galaxy", "local dimension", _headline("the local dimension", "is", test), " ".join(evidence))


def _maximum_likelihood(group: Group, test: _Test, k: int) -> list[str]:
    where = {"null": MATCHED, "k": k}
    surrogates = _labelled("surrogates", _range(group, test.rows, "maximum_likelihood_null_mean", 1, **where))
    verdict = test.verdict if test.p else ""
    found = _range(group, test.rows, "maximum_likelihood", 1, **where)
    return [f"Maximum likelihood from {k} neighbours gives {found}{_among(surrogates, verdict)}."]


def _farther(group: Group) -> list[str]:
    """The estimate from the largest distances that there is one from."""
    scales = sorted(map(int, group.data["scale"].values), reverse=True) if group.has("dimension_by_scale") else []
    for scale in scales:
        found = _range(group, group.rows, "dimension_by_scale", 1, scale=scale)
        if found:
            null = _range(group, group.rows, "dimension_by_scale_null_mean", 1, scale=scale, null=MATCHED)
            surrogates = _labelled("surrogates", null)
            return [
                f"Seen from farther away, by neighbours {scale} and {2 * scale}, it is {found}{_among(surrogates)}."
            ]
    return []


def _hubs(group: Group) -> Finding | None:
    """Whether hubs are more pronounced than the covariance explains, with and without the mean direction."""
    tests: dict[str, _Test] = {}
    for one in map(str, group.data["similarity"].values):
        where = {"null": MATCHED, "similarity": one}
        test = _test(_HUBS, group, "skewness", "skewness_p", "skewness_null_mean", **where)
        tests |= {one: test} if test.rows and one in SIMILARITIES else {}
    if not tests:
        return None
    evidence = [_skewness(group, test, one) for one, test in tests.items()]
    evidence += _lists(group, next(iter(tests)))
    return Finding("galaxy", "hubs", _hubs_headline(tests), " ".join(evidence))


def _hubs_headline(tests: dict[str, _Test]) -> str:
    told = {one: test for one, test in tests.items() if test.p}
    if not told:
        return _untold("hubs", "are", next(iter(tests.values())))
    verdicts: dict[str, list[str]] = {}
    for one, test in sorted(told.items(), key=lambda pair: pair[1].is_unresolved):
        verdicts.setdefault(test.verdict, []).append(f"by {SIMILARITIES[one]}")
    parts = [f"{verdict}, {listing(by)}" for verdict, by in verdicts.items()]
    unresolved = [test for test in told.values() if test.is_unresolved]
    what = "that" if len(unresolved) == len(told) else "the latter"
    doubt = _doubt(max(unresolved, key=lambda test: test.n_draws_needed), what) if unresolved else ""
    return f"Compared with {_SURROGATES}, hubs are {'; and '.join(parts)}{doubt}."


def _skewness(group: Group, test: _Test, similarity: str) -> str:
    where = {"similarity": similarity, "null": MATCHED}
    surrogates = _labelled("surrogates", _range(group, test.rows, "skewness_null_mean", 2, **where))
    return (
        f"By {SIMILARITIES[similarity]}, the skewness of k-occurrence is "
        f"{_range(group, test.rows, 'skewness', 2, **where)}{_among(surrogates)}; {test.words}."
    )


def _lists(group: Group, similarity: str) -> list[str]:
    """What the lists of neighbours look like."""
    most = _range(group, group.rows, "largest_occurrence", 0, similarity=similarity)
    shares = [group.value(row, "antihub_share", similarity=similarity) for row in group.rows]
    known = [f"{100 * share:.1f}" for share in shares if share is not None]
    k = group.parameters.get("k")
    mean = f", where the mean is {k}" if k else ""
    parts = [f"the most listed feature is in {most} lists of nearest neighbours{mean}"] if most else []
    if known:
        low, high = min(known, key=float), max(known, key=float)
        parts.append(f"{low if low == high else f'{low} to {high}'} percent of features are in no list")
    return [f"By {SIMILARITIES[similarity]}, {', and '.join(parts)}."] if parts else []


def _packing(group: Group) -> Finding | None:
    """Whether the two most aligned features are more aligned than the covariance explains."""
    test = _test(_OVERLAP, group, "coherence", "coherence_p", "coherence_null_mean", null=MATCHED)
    if not test.rows:
        return None
    surrogates = _labelled("surrogates", _range(group, test.rows, "coherence_null_mean", null=MATCHED))
    evidence = [
        "Mutual coherence, the largest absolute cosine of two features, is "
        f"{_range(group, test.rows, 'coherence')}{_among(surrogates)}; {test.words}."
    ]
    ratio = _range(group, test.rows, "coherence_ratio", 2)
    if ratio:
        evidence.append(f"It is {ratio} times the Welch bound, the least that so many directions allow.")
    unbounded = [row for row in test.rows if group.value(row, "welch_bound") == 0]
    if unbounded:
        evidence.append(
            f"The bound is 0 at {out_of(unbounded, test.rows, 'layer')}, for lack of more features than dimensions."
        )
    potential = _range(group, test.rows, "frame_potential_ratio", 2)
    if potential:
        evidence.append(
            f"The frame potential is {potential} times its least, where 1 is a tight frame, which shares the space "
            "evenly; it follows from mean and covariance alone."
        )
    headline = _headline("the largest overlap of two features", "is", test)
    return Finding("galaxy", "packing", headline, " ".join(evidence))


def _evenness(group: Group) -> Finding | None:
    """Whether directions prefer axes, or a common direction, beyond what uniform ones do by chance."""
    axes = _test(_AXES, group, "second_moment_excess", "second_moment_p")
    common = _test(_COMMON, group, "mean_cosine", "mean_resultant_p")
    if not common.rows:
        return None
    told = ", and ".join(test.verdict for test in (axes, common) if test.p)
    if told:
        headline = f"Compared with uniform directions, features are {told}."
    else:
        headline = "Whether features are spread less evenly than uniform directions cannot be told."
    uniform = _range(group, common.rows, "mean_cosine_null_sd", 5)
    resultant = _range(group, common.rows, "mean_resultant")
    evidence = [
        f"The mean cosine of two features is {_range(group, common.rows, 'mean_cosine', 4)}"
        f"{_among(_labelled('uniform directions 0, with standard deviation', uniform))}"
        f"{_labelled(', and the norm of their mean direction', resultant)}"
        f"{_among(_labelled('Rayleigh test,', common.words if common.p else ''))}."
    ]
    score = _range(group, common.rows, "iso_score")
    if score:
        reached = _labelled("uniform directions reach", _range(group, common.rows, "iso_score_null"))
        bingham = _labelled("Bingham test,", axes.words if axes.p else "")
        evidence.append(f"IsoScore, 1 if all axes vary alike, is {score}{_among(reached, bingham)}.")
    return Finding("galaxy", "isotropy", headline, " ".join(evidence))
