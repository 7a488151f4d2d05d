"""Claims are judged by all null models of their metric, and no sentence says "not found" where draws are too few."""

from __future__ import annotations

import numpy as np
import pytest

from saegeom_data.declare.claim import Claim, Null, NullTest
from saegeom_data.results.judgement import judge, least_draws, more_draws, p_words
from tests.support.soak import times

SHUFFLED = Null("label_permutation", "shuffled lobes", "n_permutations")
REDRAWN = Null("fixed_margins", "redrawn lobes", "n_redraws")
EXACT = Null("uniform_sphere", "uniform directions")


def claim(row: str, *p: float | None, draws: tuple[int | None, ...] = (999, 19), other: float | None = None) -> Claim:
    nulls = (SHUFFLED, REDRAWN)
    tests = tuple(
        NullTest(null, value, n_draws, p_other=other) for null, value, n_draws in zip(nulls, p, draws, strict=False)
    )
    return Claim("agreement", row, "lobes are places", tests, "lobes avoid places" if other is not None else "")


def test_a_claim_is_as_strong_as_its_weakest_null_model() -> None:
    assert claim("a", 0.001, 0.05).p == 0.05
    assert claim("a", None, None).p is None


def test_a_null_model_that_was_not_run_is_named_and_every_null_is_not_said() -> None:
    judged = judge([claim("a", 0.001, None), claim("b", 0.002, None)])
    assert judged.found == ["a", "b"]
    assert judged.every == "the nulls that were run (shuffled lobes)"
    assert judged.missing == "not run: redrawn lobes"
    assert judge([claim("a", 0.001, 0.001)]).every == "every null"


def test_a_null_model_that_some_row_lacks_counts_as_not_run() -> None:
    judged = judge([claim("a", 0.001, 0.001), claim("b", 0.001, None)])
    assert "every null" not in judged.every
    assert judged.not_run == (REDRAWN,)


def test_every_null_is_not_said_where_the_claim_leaves_one_out() -> None:
    of_claim = claim("a", 0.001, 0.001)
    partly = Claim("agreement", "a", "lobes are places", (*of_claim.tests, NullTest(EXACT, None, is_left_out=True)))
    judged = judge([partly])
    assert judged.every == "shuffled lobes and redrawn lobes"
    assert judged.left_out == (EXACT,)
    assert judged.not_run == ()
    assert judged.missing == ""
    assert judged.found == ["a"]


def test_too_few_draws_are_undecided_and_not_absent() -> None:
    # 19 redraws over 7 layers find nothing unless all seven are beyond them.
    judged = judge([claim(f"layer_{n}", 0.001, 0.05 if n < 2 else 0.6) for n in range(7)])
    assert judged.found == []
    assert judged.undecided == ["layer_0", "layer_1"]
    assert judged.n_draws_needed == 69
    assert more_draws(judged, "layer_0") == {"n_redraws": 69}
    assert judged.doubt == "at 2 of 7 layers 19 draws are too few to tell: 69 are needed (parameter n_redraws)"


def test_with_the_draws_that_are_needed_a_row_that_stands_out_is_found() -> None:
    few = judge([claim(f"layer_{n}", 0.0001 if n < 2 else 0.5, 0.05 if n < 2 else 0.6) for n in range(7)])
    enough = (9999, few.n_draws_needed)
    p = 1 / (few.n_draws_needed + 1)
    many = [claim(f"layer_{n}", 0.0001 if n < 2 else 0.5, p if n < 2 else 0.6, draws=enough) for n in range(7)]
    assert judge(many).found == ["layer_0", "layer_1"]


def test_a_p_within_its_monte_carlo_error_of_the_bound_is_undecided() -> None:
    judged = judge([claim("a", 0.06, draws=(99,))])
    assert judged.undecided == ["a"]
    assert judged.n_draws_needed == 198
    assert judge([claim("a", 0.06, draws=(99999,))]).not_found == ["a"]


def test_an_exact_law_is_never_undecided() -> None:
    exact = Claim("closeness", "a", "", (NullTest(EXACT, 0.051),))
    assert judge([exact]).not_found == ["a"]
    assert p_words(exact) == "p = 0.051"


def test_two_sides_cost_a_factor_of_two() -> None:
    less = claim("a", 1.0, draws=(999,), other=0.001)
    assert less.p == 0.002
    judged = judge([less])
    assert (judged.found, judged.opposite) == ([], ["a"])
    assert judge([claim("a", 0.04, draws=(9999,), other=0.97)]).found == []


@pytest.mark.statistical
def test_two_sided_claims_keep_their_size() -> None:
    rng = np.random.default_rng(0)
    n, draws = times(2000), 199
    rank = rng.integers(0, draws + 1, n)
    found = 0
    for beyond in rank:
        p, other = (beyond + 1) / (draws + 1), (draws - beyond + 1) / (draws + 1)
        found += bool((claim("a", p, draws=(draws,), other=other).p or 1.0) <= 0.05)
    assert found / n == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / n))


@pytest.mark.parametrize(("rows", "found", "needed"), [(1, 1, 19), (7, 1, 139), (7, 7, 19), (40, 1, 799)])
def test_least_draws(rows: int, found: int, needed: int) -> None:
    assert least_draws(rows, found) == needed


def test_a_value_that_one_draw_reaches_needs_more_draws_than_there_are() -> None:
    null = Null("shuffled", "shuffled rows", "n_surrogates")
    tests = (NullTest(null, 2 / 40, 39, p_other=39 / 40),)
    judged = judge([Claim("closeness", "a", "closer", tests, "farther apart")])
    assert (judged.undecided, judged.n_draws_needed) == (["a"], 78)
    assert "39 draws are too few to tell: 78 are needed (parameter n_surrogates)" in judged.doubt
