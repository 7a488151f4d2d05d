"""What a source says of one SAE: labels by feature, and what the labels are joined by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from saegeom_data.data.labels import Label
from saegeom_data.errors import DataValueError
from saegeom_data.labels.source import LabelSource


@dataclass
class Found:
    """Labels that a source has for one SAE.

    Parameters
    ----------
    labels
        By index of the feature, as the source numbers them.
    model
        Model of the SAE, as the source names it; empty if it does not.
    thousands
        Width of the SAE in thousands, rounded down, where the source is named by it.
    most_features
        Rows that the source has room for, where it has one for each feature.
    facts
        What else is recorded of the source.
    """

    labels: dict[int, list[Label]] = field(default_factory=dict)
    model: str = ""
    thousands: int | None = None
    most_features: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def add(self, feature: int, label: Label, where: str) -> None:
        """Add a label.

        Raises
        ------
        DataValueError
            If the feature has the same one already.
        """
        listed = self.labels.setdefault(feature, [])
        key = label.description, label.explainer, label.scorer
        if any((known.description, known.explainer, known.scorer) == key for known in listed):
            raise DataValueError(f"{where}: feature {feature} has the same label twice; remove one of them")
        listed.append(label)


class Format(Protocol):
    """What a module of :mod:`saegeom_data.labels.formats` has."""

    WHAT: str

    def parts(self, source: LabelSource) -> list[str]:
        """Names of the SAEs that a source has labels of; none if it is of another format."""
        ...

    def read(self, source: LabelSource, part: str, *, is_partial: bool) -> Found:
        """Read the labels of one of them."""
        ...


def feature_index(value: Any, where: str) -> int:
    """Index of a feature, which sources give as a number or as text.

    Raises
    ------
    DataValueError
        If it is none.

    Examples
    --------
    >>> feature_index("812", "a.csv, line 2")
    812
    """
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) < 19):
        raise DataValueError(f"{where}: got feature {value!r:.60}, expected its index, counted from 0")
    return int(text)


def text_of(value: Any) -> str:
    """Text of a value from elsewhere: that of no text is empty, and what UTF-8 cannot write is replaced.

    Examples
    --------
    >>> text_of(None), text_of("a river")
    ('', 'a river')
    """
    if value is None:
        return ""
    # JSON can say halves of surrogate pairs.
    return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def score_of(value: Any, where: str) -> float:
    """Score of a label; NaN for none.

    Raises
    ------
    DataValueError
        If it is no number.

    Examples
    --------
    >>> score_of("0.75", "a.csv, line 2"), score_of("", "a.csv, line 3")
    (0.75, nan)
    """
    if value is None or value == "":
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise DataValueError(f"{where}: got score {value!r:.60}, expected a number or nothing") from error
