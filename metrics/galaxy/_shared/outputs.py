"""Outputs that several metrics of this scale declare alike."""

from __future__ import annotations

from saegeom_data.declare.output import Output


def count(name: str, description: str, label: str) -> Output:
    """Declare a number of features, padded with 0 where SAEs are put side by side.

    Examples
    --------
    >>> count("n_features_used", "rows of non-zero norm", "features used").dtype
    'int64'
    """
    return Output(name, (), "count", description, fill=0, dtype="int64", bounds=(0, None), label=label)


def merged(description: str = "rows that copy an earlier one, merged into it") -> Output:
    """Declare the number of rows that are copies, by :func:`.distinct_rows`.

    Examples
    --------
    >>> merged().name
    'n_merged'
    """
    return count("n_merged", description, "copies merged")
