"""The outputs that every metric of word pairs has of its scores: intervals, nulls and what views improve."""

from __future__ import annotations

from saegeom_data.declare.output import Output


def table_outputs(*before: str) -> tuple[Output, ...]:
    """Outputs over (*before, score, view), and over (*before, null, score, view)."""
    table, tested = (*before, "score", "view"), (*before, "null", "score", "view")
    over = "of its 95 percent interval, over pairs of these relations"
    return (
        Output(
            "low",
            table,
            description=f"each score: lower end {over}",
        ),
        Output(
            "high",
            table,
            description=f"each score: upper end {over}",
        ),
        Output("null_mean", tested, description="mean of each score under each null"),
        Output(
            "null_standard_deviation",
            tested,
            description="standard deviation of each score under each null",
            bounds=(0, None),
        ),
        Output("p", tested, description="one-sided p of each score under each null, in (0, 1]", bounds=(0, 1)),
        Output(
            "p_by_relation",
            (*tested, "relation"),
            description="the same for each relation by itself, in (0, 1]",
            bounds=(0, 1),
        ),
        Output(
            "improvement",
            table,
            description="score minus that of the raw view, turned so that above 0 is better",
            direction="higher",
        ),
        Output("improvement_low", table, description=f"lower end {over}"),
        Output("improvement_high", table, description=f"upper end {over}"),
        Output(
            "improvement_above_null",
            tested,
            description="improvement minus that of the means of each null; above 0 is better",
            direction="higher",
        ),
        Output("improvement_above_null_low", tested, description=f"lower end {over}"),
        Output("improvement_above_null_high", tested, description=f"upper end {over}"),
        Output(
            "improvement_p",
            tested,
            description="one-sided p of improvement_above_null above 0, by the t law of its jackknife, in [0, 1]",
            bounds=(0, 1),
        ),
    )


def count_outputs() -> tuple[Output, ...]:
    """Outputs that count pairs by relation."""
    return (
        Output("n_pairs", ("relation",), "count", "pairs scored", fill=0, dtype="int64", bounds=(0, None)),
        Output(
            "n_dropped",
            ("reason", "relation"),
            "count",
            "pairs left out, by reason",
            fill=0,
            dtype="int64",
            bounds=(0, None),
        ),
        Output(
            "n_sharing_words",
            ("relation",),
            "count",
            "pairs that share a word with a pair of another fold",
            fill=0,
            dtype="int64",
            bounds=(0, None),
        ),
        Output(
            "n_in_other_relations",
            ("relation",),
            "count",
            "pairs that are a pair of another relation too",
            fill=0,
            dtype="int64",
            bounds=(0, None),
        ),
    )
