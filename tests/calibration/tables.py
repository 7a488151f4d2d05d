"""Tables of calibration, made from the records of experiments: size, coverage, power, and adversarial inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from experiment import Experiment, Record, interval_names
from sweep import Found

LEVELS = (0.01, 0.05, 0.2)
# How often a table of some hundred shares may call a right one wrong: once in a thousand shares.
_CHANCE = 0.001
_COVERAGE = 0.95
# In tests of size, the row of the claim itself, which is held against all null models at once.
ALL_NULLS = "all of these"

Row = tuple[str, ...]


@dataclass(frozen=True)
class Share:
    """``k`` of ``n`` seeds."""

    k: int
    n: int

    @property
    def value(self) -> float:
        """The share; NaN of no seeds."""
        return self.k / self.n if self.n else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Exact 95 percent interval of the binomial law (Clopper and Pearson 1934)."""
        from scipy.stats import binomtest

        if not self.n:
            return 0.0, 1.0
        found = binomtest(self.k, self.n).proportion_ci()
        return float(found.low), float(found.high)

    def is_above(self, rate: float) -> bool:
        """Whether so many or more are less likely than one in a thousand at a true rate."""
        from scipy.stats import binom

        return bool(binom.sf(self.k - 1, self.n, rate) < _CHANCE)

    def is_below(self, rate: float) -> bool:
        """Whether so few or fewer are less likely than one in a thousand at a true rate."""
        from scipy.stats import binom

        return bool(binom.cdf(self.k, self.n, rate) < _CHANCE)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.3f} ({low:.2f} to {high:.2f})" if self.n else "–"


def size_rows(experiments: Iterable[Experiment], found: Found) -> Iterator[Row]:
    """Metric, claim, null model, data, seeds, share of p at each level, and what that says."""
    for experiment in experiments:
        if experiment.kind != "size":
            continue
        for topic, claims in _by_topic(experiment, found).items():
            labels = [label for label in experiment.holds if any(label in claim["tests"] for claim in claims)]
            values = {label: [claim["tests"].get(label) for claim in claims] for label in labels}
            if len(labels) > 1:
                values[ALL_NULLS] = [max(_known(claim["tests"].get(label) for label in labels)) for claim in claims]
            for label, p in values.items():
                shares = [share_of(p, level) for level in LEVELS]
                name = experiment.declared.name
                yield name, topic, label, experiment.data, str(shares[0].n), *map(str, shares), verdict_of_size(shares)


def share_of(p: Iterable[float | None], level: float) -> Share:
    """Share of p-values at most ``level``."""
    known = _known(p)
    # p of (b + 1) / (B + 1) meets levels only to rounding.
    return Share(sum(value <= level + 1e-9 for value in known), len(known))


def verdict_of_size(shares: Sequence[Share]) -> str:
    """What shares of p at the levels say of a test."""
    if any(share.is_above(level) for share, level in zip(shares, LEVELS, strict=True)):
        return "**too often**"
    if any(share.is_below(level) for share, level in zip(shares, LEVELS, strict=True)):
        return "conservative"
    return "as stated"


def power_rows(experiments: Iterable[Experiment], found: Found) -> Iterator[Row]:
    """Metric, claim, data, seeds, share of seeds in which the claim is found, and of those in which its opposite is."""
    for experiment in experiments:
        if experiment.kind != "power":
            continue
        for topic, claims in _by_topic(experiment, found).items():
            holds = Share(sum(claim["said"] == claim["statement"] for claim in claims), len(claims))
            other = Share(sum(claim["said"] == claim["opposite"] != "" for claim in claims), len(claims))
            name = experiment.declared.name
            yield name, topic, experiment.data, str(len(claims)), str(holds), str(other) if other.k else ""


def coverage_rows(experiments: Iterable[Experiment], found: Found) -> Iterator[Row]:
    """Metric, output, data, truth, number of entries, seeds, lowest and mean share that is covered, and the verdict."""
    for experiment in experiments:
        entries: dict[str, list[list[float]]] = {}
        for record in found.get(experiment.key, []):
            for name, interval in record["intervals"].items():
                entries.setdefault(name, []).append(interval)
        by_output: dict[str, dict[str, Share]] = {}
        for name, seeds in entries.items():
            output, _, where = name.partition("|")
            by_output.setdefault(output, {})[where] = covered(seeds, _truth(experiment, output, where))
        for output, shares in by_output.items():
            where, lowest = min(shares.items(), key=lambda entry: entry[1].value)
            mean = float(np.mean([share.value for share in shares.values()]))
            known = [_truth(experiment, output, entry) for entry in shares]
            truth = " or ".join(dict.fromkeys("mean" if value is None else f"{value:g}" for value in known))
            below = any(share.is_below(_COVERAGE) for share in shares.values())
            name, at = experiment.declared.name, f" at {where}" if where and len(shares) > 1 else ""
            yield (
                name, output, experiment.data, truth, str(len(shares)), str(lowest.n), f"{lowest}{at}", f"{mean:.3f}",
                "**too narrow**" if below else "as stated",
            )  # fmt: skip


def _truth(experiment: Experiment, output: str, where: str) -> float | None:
    """True value of an entry, None if it is not known; what is compared with a null model is known where that holds."""
    null = next((label.removeprefix("null=") for label in where.split(", ") if label.startswith("null=")), "")
    return experiment.truth.get(output) if not null or null in experiment.holds else None


def intervals_not_seen(experiments: Iterable[Experiment], found: Found) -> list[Row]:
    """Metrics with declared intervals that none of their experiments gave."""
    declared: dict[str, set[str]] = {}
    for experiment in experiments:
        name, metric = experiment.declared.name, experiment.declared
        seen = {entry.partition("|")[0] for one in found.get(experiment.key, []) for entry in one["intervals"]}
        declared[name] = declared.get(name, interval_names(metric)) - seen
    return [(name, ", ".join(sorted(left))) for name, left in declared.items() if left]


def covered(seeds: Sequence[Sequence[float]], truth: float | None) -> Share:
    """Share of intervals [value, low, high] that hold the truth, or without one the mean of the values."""
    value, low, high = np.array(seeds).T
    target = float(value.mean()) if truth is None else truth
    # A number that is the same in all seeds has an interval without width, which rounding must not put beside it.
    slack = 1e-9 * max(1.0, abs(target))
    return Share(int(((low - slack <= target) & (target <= high + slack)).sum()), len(value))


def adversarial_table(data: Sequence[str], experiments: Sequence[Experiment], found: Found) -> tuple[Row, list[Row]]:
    """Header and rows of a table: ``data`` in rows, metrics in columns, and what each metric says in the cells.

    A size experiment on data of the same name stands in for an adversarial one.
    """
    chosen = [one for one in experiments if one.data in data and one.kind != "power"]
    metrics = list(dict.fromkeys(one.declared.name for one in chosen))
    cells = {(one.data, one.declared.name): says(one, found.get(one.key, [])) for one in chosen}
    header = ("data", *(f"{metric} ({_least_seeds(metric, chosen, found)} seeds)" for metric in metrics))
    return header, [(row, *(cells.get((row, metric), "–") for metric in metrics)) for row in data]


def _least_seeds(metric: str, experiments: Iterable[Experiment], found: Found) -> int:
    counts = [len(found.get(one.key, [])) for one in experiments if one.declared.name == metric]
    return min((count for count in counts if count), default=0)


def says(experiment: Experiment, records: Sequence[Record]) -> str:
    """What a metric says of data, and in how many seeds: claims that are made more often than chance allows."""
    if not records:
        return "–"
    parts = []
    for verb, is_refusal in (("refuses", True), ("**fails**", False)):
        raised = [one["error"] for one in records if one["error"] and one["is_refusal"] == is_refusal]
        parts += [f"{verb} in {len(raised) / len(records):.0%} ({raised[0].partition(':')[0]})"] if raised else []
    shares = _said(records)
    often = {words: share for words, share in shares.items() if share.is_above(0.05)}
    parts += [f"{words} in {share.value:.0%}" for words, share in often.items()]
    if parts:
        return "; ".join(parts)
    most = max((share.value for share in shares.values()), default=0.0)
    return f"says nothing (at most {most:.0%})" if most else "says nothing"


def _said(records: Sequence[Record]) -> dict[str, Share]:
    """How often each statement, or its opposite, is made; with its topic where several topics state the same."""
    topics = _topics(records)
    stated = [words for claims in topics.values() for words in {claim["statement"] for claim in claims}]
    found: dict[str, Share] = {}
    for topic, claims in topics.items():
        for words in dict.fromkeys(claim["said"] for claim in claims if claim["said"]):
            where = f" ({topic})" if stated.count(claims[0]["statement"]) > 1 else ""
            found[f"“{words}”{where}"] = Share(sum(claim["said"] == words for claim in claims), len(claims))
    return found


def statements(experiments: Iterable[Experiment], found: Found) -> list[Row]:
    """Metric, topic, and what the claims of that topic state, both sides."""
    known: dict[tuple[str, str], str] = {}
    for experiment in experiments:
        for topic, claims in _topics(found.get(experiment.key, [])).items():
            both = [words for words in (claims[0]["statement"], claims[0]["opposite"]) if words]
            known.setdefault((experiment.declared.name, topic), " / ".join(both))
    return [(*key, words) for key, words in sorted(known.items())]


def errors(found: Found) -> list[Row]:
    """Experiments with the seeds in which the metric raised an error, and the first error."""
    rows = []
    for key, records in found.items():
        raised = [record["error"] for record in records if record["error"]]
        if raised:
            rows.append((key, f"{len(raised)} of {len(records)}", raised[0]))
    return rows


def _by_topic(experiment: Experiment, found: Found) -> dict[str, list[dict[str, Any]]]:
    topics = _topics(found.get(experiment.key, []))
    return {topic: claims for topic, claims in topics.items() if experiment.is_about(topic)}


def _topics(records: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Claims of each topic that have a p, over seeds."""
    found: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        for claim in record["claims"]:
            if claim["p"] is not None:
                found.setdefault(claim["topic"], []).append(claim)
    return found


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
