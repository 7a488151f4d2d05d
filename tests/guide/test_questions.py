"""What the pages written by hand say of metrics: metrics and outputs that they name are declared."""

from __future__ import annotations

import re

import pytest
from pages import GUIDE, text_of

from saegeom_data import get_metric, list_metrics

ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in text_of(GUIDE / "questions.md").splitlines()
    if line.startswith("|") and "?" in line
]
OF_METRICS = [row for row in ROWS if len(row) == 4]
# Counts and matrices that the other metrics of their scale start from; their numbers answer no question by themselves.
STARTS = {"affinity", "cooccurrence", "cooccurrence_by_type"}


@pytest.mark.parametrize("row", OF_METRICS, ids=lambda row: row[0])
def test_a_question_names_metrics_outputs_and_nulls_that_are_declared(row: list[str]) -> None:
    metrics = [get_metric(name) for name in re.findall(r"`(\w+)`", row[1])]
    assert metrics
    declared = {"q", "raw"} | {output.name for metric in metrics for output in metric.outputs}
    declared |= {null.label for metric in metrics for null in metric.nulls}
    assert set(re.findall(r"`(\w+)`", row[3])) <= declared


def test_every_metric_answers_a_question() -> None:
    asked = {name for row in OF_METRICS for name in re.findall(r"`(\w+)`", row[1])}
    assert asked | STARTS == set(list_metrics())


def test_outputs_that_the_page_of_the_paper_names_are_declared() -> None:
    declared = {output.name for name in list_metrics() for output in get_metric(name).outputs} | set(list_metrics())
    others = {"estimator", "untrained", "hidden_state_"}
    named = set(re.findall(r"\(`(\w+)`(?:, `(\w+)`)?\)", text_of(GUIDE / "paper.md")))
    assert {name for pair in named for name in pair if name} - others <= declared
    assert len(named) > 12
