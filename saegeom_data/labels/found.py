"""What a source says of one SAE: labels and examples by feature, and what these are joined by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from saegeom_data.data.examples import Example
from saegeom_data.data.labels import Label
from saegeom_data.errors import DataValueError
from saegeom_data.labels.source import LabelSource
from saegeom_data.typing import Array


@dataclass
class Found:
    """What a source says of one SAE: its labels, and which SAE it is.

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


class FoundExample(NamedTuple):
    """An example of a source.

    Parameters
    ----------
    where
        Its place in the source, for messages.
    feature
        Index of the feature, as the source numbers them.
    example
        The example.
    key
        What tells it apart from others of the source; empty for nothing.
    dataset
        Text that it is from, as the source names it; empty if it does not.
    """

    where: str
    feature: int
    example: Example
    key: str = ""
    dataset: str = ""


class Format(Protocol):
    """What a module of :mod:`saegeom_data.labels.formats` has."""

    WHAT: str

    def parts(self, source: LabelSource) -> list[str]:
        """Names of the SAEs that a source has labels of; none if it is of another format."""
        ...

    def read(self, source: LabelSource, part: str, *, is_partial: bool) -> Found:
        """Read the labels of one of them."""
        ...

    def examples(self, source: LabelSource, part: str, found: Found, *, is_partial: bool) -> Iterator[FoundExample]:
        """Yield examples of one of them, none if it has none; ``found`` says whose they are before the first comes."""
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
    # Digits of other scripts and superscripts are digits to Python too, and more than 18 need not fit into 64 bits.
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
    except (TypeError, ValueError, OverflowError) as error:
        raise DataValueError(f"{where}: got score {value!r:.60}, expected a number or nothing") from error


def example_of(where: str, row: Mapping[str, Any], bins: tuple[str, str, str]) -> Example:
    """Example of the lists of tokens and of values in a row, and of its numbers of ``BINS`` by the names in ``bins``.

    Raises
    ------
    DataValueError
        If they are no lists of text and of finite numbers, of one length, or one of ``bins`` is no number.

    Examples
    --------
    >>> row = {"tokens": ["the", " river"], "values": [0, 2.5], "binMin": 2}
    >>> example = example_of("a.jsonl, line 1", row, ("binMin", "binMax", "binContains"))
    >>> example.activation.tolist(), example.bin_low, example.bin_high
    ([0.0, 2.5], 2.0, nan)
    """
    texts, activation = row.get("tokens"), numbers_of(where, row, "values")
    if not isinstance(texts, list) or not set(map(type, texts)) <= {str}:
        raise DataValueError(f"{where}: tokens is no list of texts; expected the text of each token, fetch it again")
    if not texts or len(texts) != len(activation):
        raise DataValueError(
            f"{where}: got {len(texts)} tokens and {len(activation)} values, expected as many of both and at least one;"
            " fetch it again"
        )
    low, high, share = (number_of(where, row, name) for name in bins)
    return Example(texts, activation, bin_low=low, bin_high=high, bin_share=share)


def numbers_of(where: str, row: Mapping[str, Any], name: str) -> Array:
    """Numbers (n,) float32 of a list in a row.

    Raises
    ------
    DataValueError
        If it is no list of finite numbers.

    Examples
    --------
    >>> numbers_of("a.jsonl, line 1", {"values": [0, 2.5]}, "values")
    array([0. , 2.5], dtype=float32)
    """
    given = row.get(name)
    if not isinstance(given, list) or not set(map(type, given)) <= {int, float}:
        raise DataValueError(f"{where}: {name} is no list of numbers; expected one for each token, fetch it again")
    # What is too large for the dtype is refused as what is infinite.
    with np.errstate(over="ignore"), suppress(OverflowError):
        values = np.array(given, np.float64).astype(np.float32)
        if np.isfinite(values).all():
            return values
    raise DataValueError(f"{where}: {name} has a number that is not finite; fetch it again")


def number_of(where: str, row: Mapping[str, Any], name: str) -> float:
    """One number of a row, rounded to float32; NaN for none.

    Raises
    ------
    DataValueError
        If it is something else, or not finite.
    """
    given = row.get(name)
    if given is None:
        return math.nan
    if type(given) not in (int, float):
        raise DataValueError(f"{where}: got {name} {given!r:.60}, expected a number or nothing; fetch it again")
    return float(numbers_of(where, {name: [given]}, name)[0])
