"""Small pictures show where numbers lie and what null models give, within their frame and in words."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from saegeom_data.declare.answer import Series
from saegeom_data.report.spark import spark

NONE = (None, None, None)


def series(**given: tuple[object, ...]) -> Series:
    parts: dict[str, tuple[object, ...]] = {
        "rows": ("layer 0", "layer 1", "layer 2"),
        "values": (0.1, 0.5, 0.3),
        "low": (0.0, 0.4, 0.2),
        "high": (0.2, 0.6, 0.4),
        "null_low": (-0.1, -0.1, -0.1),
        "null_high": (0.1, 0.1, 0.1),
        "is_found": (False, True, True),
    }
    return Series(**(parts | given))  # type: ignore[arg-type]


def test_marks_are_filled_where_the_claim_holds_and_lie_within_the_frame() -> None:
    drawn = ET.fromstring(spark(series()))
    marks = [element for element in drawn.iter() if element.tag == "circle"]
    assert [mark.get("class") for mark in marks] == ["open", "found", "found"]
    heights = [float(mark.get("cy", "nan")) for mark in marks]
    # Upwards is more.
    assert heights[1] < heights[2] < heights[0]
    for number in re.findall(r"[\d.]+(?=,)", " ".join(element.get("points", "") for element in drawn.iter())):
        assert 0 <= float(number) <= 104


def test_words_give_the_numbers_and_escape_names() -> None:
    drawn = spark(series(rows=('"><script>', "b", "c")))
    assert "<script>" not in drawn
    assert "b 0.500, c 0.300; null models −0.100 to 0.100" in drawn


def test_one_row_lies_on_a_line_of_numbers() -> None:
    alone = series(
        rows=("a",), values=(0.5,), low=(0.4,), high=(0.6,), null_low=(0.0,), null_high=(0.0,), is_found=(True,)
    )
    drawn = ET.fromstring(spark(alone))
    assert [element.tag for element in drawn.iter()].count("circle") == 1
    assert 'class="axis"' in spark(alone)


def test_gaps_and_equal_numbers_are_drawn_and_nothing_is_not() -> None:
    assert spark(None) == spark(series(values=NONE)) == ""
    gaps = spark(series(values=(0.1, None, 0.1), low=NONE, high=NONE, null_low=NONE, null_high=NONE))
    assert gaps.count("<circle") == 2
    assert "nan" not in gaps
    assert "null" not in gaps
    same = spark(series(values=(0.1,) * 3, low=NONE, high=NONE, null_low=(0.1,) * 3, null_high=(0.1,) * 3))
    assert "nan" not in same


def test_many_rows_are_a_line_without_marks() -> None:
    n = 100
    many = Series(
        tuple(f"layer {i}" for i in range(n)), tuple(float(i) for i in range(n)), *((None,) * n for _ in range(4)),
        (True,) * n,
    )  # fmt: skip
    drawn = spark(many)
    assert "<circle" not in drawn
    assert 'aria-label="layer 0 0.000, layer 99 99.000"' in drawn
