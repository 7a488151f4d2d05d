"""The page ``saegeom_data/guide/calibration.md``, made from tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import tables
from experiment import Experiment
from experiments import ODD
from sweep import Found

N_SEEDS = 200
_HEAD = """\
# Calibration

Whether p-values, intervals and claims of the metrics are what they say, on simulated data of known truth. This page is
written by `make calibration`; nothing on it is typed by hand.

{seeds}

The data are small, so that thousands of them can be measured; versions and parameters of the metrics stand at the end.
Shares have an exact binomial 95 percent interval in brackets. A verdict other than “as stated” is given only where
chance would give it once in a thousand shares.
"""
_SIZE = """\
## Size: how often p is small where nothing is there

Data for which the null model in the row holds. A test of size 5 percent has p ≤ 0.05 in at most 5 percent of seeds.
“{all}” is the claim itself: its p is the largest over the null models in the rows above it. Claims with two sides have
two-sided p, which are twice as large: with 99 draws they cannot be 0.01, and with 19 no p can.
"""
_COVERAGE = """\
## Coverage: how often an interval holds the truth

Intervals are said to be of 95 percent. The truth is the number in the column, or, where it has no closed form, the mean
of the estimates over all seeds (“mean”): such an interval is one of the sampling error, not of the bias. “0 or mean” is
0 for what is compared with the null model that holds, and the mean for the others. A seed draws features, blocks and
pairs anew, and partitions with them: intervals which by their definition hold some of these fixed cover less. An output
with several entries has one interval for each; the lowest share is shown with its entry, beside the mean over entries.
Left out are outputs over single lobes, which have no order that two seeds share.
"""
_POWER = """\
## Power: how often what is planted is found

One planted structure for each metric. A claim is found if its p, the largest over all null models, is at most 5
percent.
"""
_ADVERSARIAL = """\
## What each metric says of data that may mislead it

Data in rows, metrics with their seeds, or more, in columns. A statement is listed with its share of seeds if it is made
more often than in 5 percent, beyond chance; else the metric says nothing, and the most frequent of its claims has the
share in brackets.
"""
_STATEMENTS = """\
## Claims

What the claims of each topic state, and after the stroke what holds on the other side of those with two sides.
"""


def page(experiments: Sequence[Experiment], found: Found, without: Mapping[tuple[str, str], str], n_seeds: int) -> str:
    """Write the page.

    Parameters
    ----------
    experiments
        What was run.
    found
        Records of each.
    without
        Why a null model (metric, label) has no test of size.
    n_seeds
        Seeds that were asked for.
    """
    metrics = list(dict.fromkeys(one.declared.name for one in experiments))
    experiments = sorted(experiments, key=lambda one: metrics.index(one.declared.name))
    parts = [
        _HEAD.format(seeds=_seeds(experiments, found, n_seeds)),
        _SIZE.format(all=tables.ALL_NULLS),
        _table(
            ("metric", "claim", "null model", "data", "seeds", *(f"p ≤ {level:g}" for level in tables.LEVELS), "size"),
            tables.size_rows(experiments, found),
        ),
        _COVERAGE,
        _table(
            ("metric", "output", "data", "truth", "entries", "seeds", "lowest share", "mean share", "coverage"),
            tables.coverage_rows(experiments, found),
        ),
        *_not_seen(experiments, found),
        _POWER,
        _table(
            ("metric", "claim", "data", "seeds", "found", "other side found"), tables.power_rows(experiments, found)
        ),
        _ADVERSARIAL,
        *(_adversarial(experiments, found)),
        _STATEMENTS,
        _table(("metric", "topic", "statement"), tables.statements(experiments, found)),
        *_without(without),
        *_errors(found),
        "## Versions and parameters\n",
        _table(("metric", "version", "tables", "parameters"), _parameters(experiments)),
    ]
    return "\n".join(parts)


def _seeds(experiments: Sequence[Experiment], found: Found, n_seeds: int) -> str:
    """How many seeds there are of each experiment."""
    reached = min((len(found[one.key]) * one.every for one in experiments if found.get(one.key)), default=0)
    fewer = " What takes long, and adversarial data, have fewer, as their rows say." if _some_fewer(experiments) else ""
    n = min(n_seeds, reached)
    little = (
        f" With so few, and not the {N_SEEDS} of `make calibration`, “as stated” says little." if n < N_SEEDS else ""
    )
    return f"Every experiment has {n} seeds.{fewer}{little}"


def _some_fewer(experiments: Iterable[Experiment]) -> bool:
    return any(one.every > 1 for one in experiments)


def _adversarial(experiments: Sequence[Experiment], found: Found) -> list[str]:
    """A table for each kind of input: metrics of others are asked about other data."""
    parts = []
    for heading, data in ODD.items():
        chosen = [one for one in experiments if _inputs(one) == heading]
        if chosen:
            parts += [f"### {heading}\n", _table(*tables.adversarial_table(data, chosen, found))]
    return parts


def _inputs(experiment: Experiment) -> str:
    """What a metric reads, as a heading."""
    names = {variable.name for variable in experiment.declared.inputs}
    if experiment.declared.over == "site":
        return "Word pairs"
    return "Firing of features" if "occurrence" in names else "Decoder rows"


def _not_seen(experiments: Sequence[Experiment], found: Found) -> list[str]:
    rows = tables.intervals_not_seen(experiments, found)
    return ["Intervals that none of these data gave:\n", _table(("metric", "output"), rows)] if rows else []


def _without(without: Mapping[tuple[str, str], str]) -> list[str]:
    if not without:
        return []
    rows = [(metric, label, reason) for (metric, label), reason in sorted(without.items())]
    return ["## Null models without a test of size\n", _table(("metric", "null model", "why"), rows)]


def _errors(found: Found) -> list[str]:
    rows = tables.errors(found)
    return ["## Errors\n", _table(("experiment", "seeds", "first error"), rows)] if rows else []


def _parameters(experiments: Iterable[Experiment]) -> list[tuple[str, ...]]:
    """Metric, version, tables and parameters, those that are alike together."""
    kinds: dict[tuple[str, str, str], dict[str, None]] = {}
    for one in experiments:
        stated = ", ".join(f"{name}={value}" for name, value in one.parameters.items()) or "defaults"
        kinds.setdefault((one.declared.name, str(one.declared.version), stated), {})[one.kind] = None
    return [(name, version, ", ".join(of_kind), stated) for (name, version, stated), of_kind in kinds.items()]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
