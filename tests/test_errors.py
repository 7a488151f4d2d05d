from __future__ import annotations

import pickle

import pytest

from saegeom_data import errors


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.ValidationError, ValueError),
        (errors.SpecError, ValueError),
        (errors.DataValueError, ValueError),
        (errors.ParameterError, ValueError),
        (errors.UnknownNameError, LookupError),
        (errors.StoreError, OSError),
        (errors.TargetExistsError, FileExistsError),
        (errors.MissingDependencyError, ImportError),
    ],
)
def test_every_error_is_also_the_builtin_that_fits_it(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, errors.SaegeomError)
    assert issubclass(error, builtin)


def test_validation_error_lists_every_problem_one_a_line() -> None:
    problems = [errors.Problem("/a", "missing"), errors.Problem("/b", "wrong")]
    error = errors.ValidationError(problems)
    assert error.problems == tuple(problems)
    assert str(error).splitlines() == ["/a: missing", "/b: wrong"]


def test_an_unknown_name_lists_few_of_many_known_ones() -> None:
    few = errors.UnknownNameError("metric", "x", [f"m{number:02}" for number in range(20)])
    assert str(few).endswith("m18, m19")
    many = errors.UnknownNameError("metric", "m2", [f"m{number:02}" for number in range(63)])
    assert str(many).endswith("m18, m19 and 43 more")


@pytest.mark.parametrize(
    "error",
    [
        errors.ValidationError([errors.Problem("/a", "missing")]),
        errors.SpecError([errors.Problem("/a", "missing")]),
        errors.UnknownNameError("metric", "lobe", ["lobes"]),
        errors.StoreError("gone"),
        errors.StoreError(errors.Problem("/a", "missing"), errors.Problem("/b", "wrong")),
        errors.TargetExistsError("there already"),
        errors.MissingDependencyError("not installed"),
        errors.DataValueError("nan"),
    ],
)
def test_errors_survive_the_way_back_from_another_process(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_problems_are_data_whatever_the_error() -> None:
    problem = errors.Problem("c.0.0", "missing")
    error = errors.StoreError(problem.inside("a.zarr"), "no manifest")
    assert str(error).splitlines() == ["a.zarr: c.0.0: missing", "no manifest"]
    assert error.problems == (errors.Problem("a.zarr: c.0.0", "missing"), errors.Problem("", "no manifest"))
    assert error.reason == "missing; no manifest"
    assert errors.UnknownNameError("metric", "lobe", []).reason == "no metric is named 'lobe'; known: none"


def test_unknown_name_offers_the_nearest_and_lists_the_known() -> None:
    message = str(errors.UnknownNameError("metric", "lobe", ["lobes", "affinity"]))
    assert message == "no metric is named 'lobe'; did you mean 'lobes'?; known: affinity, lobes"
    assert str(errors.UnknownNameError("metric", "x", [])).endswith("known: none")


def test_suggest_is_silent_when_nothing_is_near() -> None:
    assert errors.suggest("zzz", ["decoder"]) == ""


def test_require_names_the_extra() -> None:
    errors.require("numpy", "harvest")
    with pytest.raises(errors.MissingDependencyError, match=r"'nothing_like_it' is not installed.*saegeom-data\[hub\]"):
        errors.require("nothing_like_it", "hub")


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ([{"input": 5, "msg": "Input should be 'a' or 'b'"}], "got 5, expected 'a' or 'b'"),
        (
            [
                {"input": 5, "msg": "Input should be a valid string"},
                {"input": 5, "msg": "Input should be a valid list"},
            ],
            "got 5, expected text or a list",
        ),
        ([{"input": {}, "msg": "Value error, first after last"}], "first after last"),
        ([{"input": "", "msg": "String should be longer"}], "got '': string should be longer"),
    ],
)  # fmt: skip
def test_expectation_reads_like_a_sentence(details: list[dict[str, object]], expected: str) -> None:
    assert errors.expectation(*details) == expected


def test_expectation_cuts_long_values() -> None:
    assert len(errors.expectation({"input": "x" * 10_000, "msg": "Input should be a valid integer"})) < 100
