"""Short answers say what the judgement of their claims says, and no more."""

from __future__ import annotations

import itertools

import pytest
import xarray as xr

from saegeom_data.declare.answer import Answer
from saegeom_data.declare.claim import Claim, Null, NullTest
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.results.answers import answer, lines
from saegeom_data.results.judgement import judge

SHUFFLED = Null("label_permutation", "shuffled lobes", "n_permutations")
REDRAWN = Null("fixed_margins", "redrawn lobes", "n_redraws")
ROWS = ["a", "b", "c"]


def group() -> Group:
    # In another order than that of the layers, as results may be.
    data = xr.Dataset(coords={"sae": ROWS, "layer": ("sae", [2, 1, 0])})
    return Group("lobes", "lobes", "brain", {}, data)


def claims(
    p: list[float | None], *, other: list[float] | None = None, second: float | None = 0.0005, draws: int = 1999
) -> list[Claim]:
    return [
        Claim(
            "agreement",
            row,
            "lobes are places",
            (
                NullTest(SHUFFLED, value, draws, 0.1, None if other is None else other[i], 0.01),
                NullTest(REDRAWN, None if value is None else second, 1999, 0.2),
            ),
            "lobes avoid places" if other is not None else "",
            value=0.5 + i,
            low=0.4,
            high=0.6 + i,
        )
        for i, (row, value) in enumerate(zip(ROWS, p, strict=True))
    ]


def given(*args: object, **kwargs: object) -> Answer:
    found = answer(judge(claims(*args, **kwargs)), group())  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("p", "sentence", "mark"),
    [
        ([0.001, 0.001, 0.001], "Lobes are places at all 3 layers (p = 0.001).", "holds"),
        ([0.001, 0.012, 0.9], "Lobes are places at 2 of 3 layers (p ≤ 0.012).", "holds in part"),
        ([0.3, 0.5, 0.9], "No sign that lobes are places at any layer (p ≥ 0.30).", "not shown"),
        ([None, None, 0.001], "Lobes are places at the one layer measured (p = 0.001).", "holds"),
    ],
)
def test_the_sentence_follows_p(p: list[float | None], sentence: str, mark: str) -> None:
    found = given(p)
    assert (found.sentence, found.mark, found.aside) == (sentence, mark, "")


def test_a_null_model_that_was_not_run_makes_it_so_far() -> None:
    found = given([0.001, 0.001, 0.9], second=None)
    assert found.sentence == "So far, lobes are places at 2 of 3 layers (p = 0.001)."
    assert found.aside == "not run: redrawn lobes"


def test_too_few_draws_are_told() -> None:
    found = given([0.05, 0.05, 0.6], draws=19)
    assert (found.sentence, found.mark) == (
        "It cannot be told yet whether lobes are places (p ≥ 0.050).",
        "cannot be told",
    )
    assert "19 draws are too few to tell: 29 are needed" in found.aside


def test_the_other_side_is_said_where_it_holds() -> None:
    assert given([0.999] * 3, other=[0.001] * 3, second=None).sentence.startswith("So far, lobes avoid places at all 3")
    both = judge(
        [
            Claim("x", row, "lobes are places", (NullTest(SHUFFLED, p, None, p_other=1 - p),), "lobes avoid places")
            for row, p in zip(ROWS, (0.001, 0.999, 0.5), strict=True)
        ]
    )
    found = answer(both, group())
    assert found is not None
    assert found.sentence == "Lobes are places at 1 of 3 layers, the other way around at 1 (p = 0.002)."
    assert found.mark == "holds in part"


def test_what_data_leave_open_is_not_called_absent() -> None:
    found = answer(judge(claims([0.3, 0.5, 0.9])), group(), is_open=True)
    assert found is not None
    assert (found.mark, found.sentence[:17]) == ("cannot be told", "It cannot be told")
    # What was found is not open.
    found = answer(judge(claims([0.001] * 3)), group(), is_open=True)
    assert found is not None
    assert found.mark == "holds"


def test_nothing_is_said_without_a_test() -> None:
    assert answer(judge(claims([None] * 3)), group()) is None


@pytest.mark.parametrize("draws", [19, 1999])
@pytest.mark.parametrize("second", [0.0005, None])
def test_no_answer_says_more_than_its_judgement(draws: int, second: float | None) -> None:
    for p in itertools.product([0.0005, 0.05, 0.4], repeat=3):
        values = [max(value, 1 / (draws + 1)) for value in p]
        judged = judge(claims(values, second=second, draws=draws))
        found = answer(judged, group())
        assert found is not None
        limited = bool(judged.not_run or judged.undecided)
        assert (found.aside != "") == limited
        if judged.found:
            assert found.mark == ("holds" if len(judged.found) == 3 else "holds in part")
            assert found.sentence.startswith("So far, ") == limited
        else:
            assert found.mark == ("cannot be told" if judged.undecided else "not shown")
        assert found.series is not None
        assert sum(found.series.is_found) == len(judged.found)


def test_the_picture_is_in_the_order_of_layers_with_the_widest_null() -> None:
    series = given([0.001, 0.9, 0.001]).series
    assert series is not None
    assert series.rows == ("layer 0", "layer 1", "layer 2")
    assert series.values == (2.5, 1.5, 0.5)
    assert series.is_found == (True, False, True)
    assert (series.null_low[0], series.null_high[0]) == pytest.approx((0.08, 0.2))
    fixed = answer(judge(claims([0.001] * 3)), group(), null=0.0)
    assert fixed is not None
    assert fixed.series is not None
    assert fixed.series.null_low == fixed.series.null_high == (0.0, 0.0, 0.0)


def test_lines_carry_signs_and_their_legend() -> None:
    tested = Finding("brain", "lobes", "Lobes are places, it seems.", "Evidence.", (given([0.001] * 3, second=None),))
    plain = Finding("brain", "norms", "Norms differ.", "Evidence.")
    assert lines([tested, plain]) == [
        "+ So far, lobes are places at all 3 layers (p = 0.001). [not run: redrawn lobes]",
        "  Norms differ.",
        "(+ holds at every layer tested)",
    ]
    assert lines([plain]) == ["  Norms differ."]
