from __future__ import annotations

import contextlib
import pickle
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, model_validator
from soak import times

from saegeom_data import errors
from saegeom_data.cli import validate
from saegeom_data.engine import check_run
from saegeom_data.spec import models
from saegeom_data.spec.checked import StrictModel
from saegeom_data.spec.models import OccurrenceSettings, RunSpec, parse_spec

BAD = sorted((Path(__file__).parents[1] / "specs" / "bad").glob("*.yaml"))
GOOD = "spec_version: 1\nkind: run\ntitle: Slopes\nmetrics:\n- metric: eigenvalue_slope\n"


def messages(text: str, model: type[Any] = RunSpec) -> list[str]:
    with pytest.raises(errors.SpecError) as refused:
        parse_spec(text, model, "f")
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_bad_spec_gives_exactly_its_lines(file: Path) -> None:
    lines = file.read_text("utf-8").splitlines()
    expected = [line.removeprefix("# expect ") for line in lines if line.startswith("# expect ")]
    some = [line.removeprefix("# expect-some ") for line in lines if line.startswith("# expect-some ")]
    assert expected or some
    with pytest.raises(errors.SpecError) as refused:
        validate.check_spec_file(file)
    found = [str(problem).removeprefix(str(file)) for problem in refused.value.problems]
    assert all("\n" not in line for line in found)
    if some:
        assert all(any(line.startswith(start) for line in found) for start in some), found
    else:
        # The list of registered metrics grows.
        found = [line.partition("; known: ")[0] if "no metric is named" in line else line for line in found]
        assert sorted(found) == sorted(expected)
    assert not Path("/tmp/saegeom-executed").exists()


@pytest.mark.parametrize("kind", ["runs", "datasets", "benchmarks"])
def test_shipped_specs_are_valid(kind: str) -> None:
    shipped = models.shipped_specs(kind)
    assert shipped
    for file in shipped.values():
        validate.check_spec_file(file)


def test_good_spec_becomes_a_frozen_model(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(GOOD)
    run = models.load_spec(tmp_path / "run.yaml", RunSpec)
    assert run == parse_spec(GOOD, RunSpec) == RunSpec.model_validate(yaml.safe_load(GOOD))
    assert RunSpec.model_validate_json(run.model_dump_json()) == run
    assert pickle.loads(pickle.dumps(run)) == run
    with pytest.raises(ValueError, match="frozen"):
        run.title = "two"


class Values(StrictModel):
    value: Any


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # A number that YAML 1.1 reads as text, for want of a point.
        ("1e-3", 1e-3),
        ("1.5E+2", 150.0),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("3", 3),
        ("-3", -3),
        ("0", 0),
        ("true", True),
        ("null", None),
        ("", None),
        # Texts that YAML 1.1 reads as truth values, numbers, times and dates.
        ("no", "no"),
        ("on", "on"),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e", "1e"),
        ("'3'", "3"),
        ("=", "="),
        ("[1, 2.0, a]", [1, 2.0, "a"]),
    ],
)
def test_plain_values_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = parse_spec(f"value: {text}", Values).value
    assert found == value
    assert type(found) is type(value)


@given(value=st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.booleans())
def test_numbers_are_read_as_python_writes_them(value: float) -> None:
    found = parse_spec(f"value: {value!r}", Values).value
    assert found == value
    assert type(found) is type(value)


def test_file_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"title: caf\xe9\n")
    (tmp_path / "binary.yaml").write_bytes(b"title: a\x00b\n")
    (tmp_path / "large.yaml").write_bytes(b"#" * (2**20 + 1))
    for name, message in [
        ("absent.yaml", "cannot be read: No such file or directory; check the path"),
        (".", "cannot be read: Is a directory; check the path"),
        ("latin.yaml", "not UTF-8 text (byte 10); save it as UTF-8 or check the path"),
        ("binary.yaml", "not YAML: unacceptable character #x0000: special characters are not allowed"),
        ("large.yaml", "larger than 1048576 bytes, so it is no spec; check the path"),
    ]:
        with pytest.raises(errors.SpecError) as refused:
            models.load_spec(tmp_path / name, RunSpec)
        assert str(refused.value).startswith(f"{tmp_path / name}: {message}")
        assert "\n" not in str(refused.value)


def test_billion_laughs_are_refused_at_once() -> None:
    # Each level names the one before nine times: 9 ** 29 items, if aliases were followed.
    lines = ["a0: &a0 [lol]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    assert messages("\n".join(lines))[0] == "f:1: anchor &a0: a spec has none; remove it"


@pytest.mark.parametrize("text", ["[" * 50_000, "a: " + "{b: " * 20_000, "- " * 30_000])
def test_deep_nesting_is_refused_without_a_crash(text: str) -> None:
    assert len(messages(text)) == 1


def test_number_of_a_million_digits_is_refused_without_a_crash() -> None:
    # Python itself refuses to read more than 4,300 digits.
    assert "not YAML" in messages(f"value: {'9' * 10_000}", Values)[0]


@settings(max_examples=times(50, 2000))
@given(data=st.data())
def test_mutated_specs_give_problems_never_a_traceback(data: st.DataObject) -> None:
    text = list(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(text)))
        text[position : position + data.draw(st.integers(0, 6))] = data.draw(
            st.text(alphabet="ab1:-[]{}&*!#|>%@`'\"\n\t \x85 ,.?~<=é", max_size=5)
        )
    with contextlib.suppress(errors.SpecError):
        check_run.check_run(parse_spec("".join(text), RunSpec))


class Inner(StrictModel):
    depth: Annotated[float, Field(gt=0)]


class Other(StrictModel):
    name: str


class Outer(StrictModel):
    layers: list[Inner | Other]
    mode: Literal["a", "b"] = "a"
    share: float = 0.5

    @model_validator(mode="after")
    def _check(self) -> Outer:
        if self.mode == "b" and not self.layers:
            raise ValueError("mode b needs layers")
        return self


def test_union_of_models_names_keys_of_the_file_only() -> None:
    found = messages("layers:\n- dept: 1\n", Outer)
    assert "f:2: layers[0].dept: unknown key; did you mean 'depth'?; known: depth, name" in found
    assert not any("Inner" in line or "Other" in line for line in found)
    assert (
        messages("layers:\n- depth: -1.0\n  \n", Outer)[0] == "f:2: layers[0].depth: got -1.0, expected greater than 0"
    )


def test_problem_of_a_whole_model_is_a_sentence() -> None:
    assert messages("mode: b\nlayers: []\n", Outer) == ["f:1: mode b needs layers"]


def test_number_given_as_text_is_no_number() -> None:
    assert messages("layers: []\nshare: '0.5'\n", Outer) == ["f:2: share: got '0.5', expected a number"]


def test_check_of_a_run_made_in_python_has_no_file_to_name() -> None:
    metrics = [{"metric": "eigenvalue_slope"}, {"metric": "eigenvalue_slope"}]
    run = RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "t", "metrics": metrics})
    with pytest.raises(errors.SpecError) as refused:
        check_run.check_run(run)
    (problem,) = refused.value.problems
    assert problem.where == "run: metrics[1].metric"
    assert "'eigenvalue_slope'" in problem.message


def test_specs_are_found_by_name_or_path(tmp_path: Path) -> None:
    name = next(iter(models.shipped_specs("runs")))
    assert models.find_spec(name, "runs").is_file()
    assert models.find_spec("some/where.yaml", "runs") == Path("some/where.yaml")
    (tmp_path / "bare").write_text(GOOD)
    assert models.find_spec(str(tmp_path / "bare"), "runs") == tmp_path / "bare"
    with pytest.raises(errors.UnknownNameError, match=f"no run spec is named '{name}s'; did you mean '{name}'"):
        models.find_spec(f"{name}s", "runs")


def test_loading_changes_no_global_loader() -> None:
    before = dict(yaml.SafeLoader.yaml_implicit_resolvers)
    parse_spec(GOOD, RunSpec)
    assert yaml.SafeLoader.yaml_implicit_resolvers == before
    assert yaml.safe_load("on") is True


def test_run_may_say_how_occurrence_is_derived() -> None:
    assert parse_spec(GOOD, RunSpec).occurrence is None
    text = GOOD + "occurrence:\n  threshold: 1\n  max_blocks_per_document: 3\n"
    run = parse_spec(text, RunSpec)
    assert run.occurrence == OccurrenceSettings(threshold=1.0, max_blocks_per_document=3)
    assert RunSpec.model_validate_json(run.model_dump_json()) == run


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("threshold: -1", "f:7: occurrence.threshold: got -1, expected greater than or equal to 0"),
        ("threshold: .nan", "f:7: occurrence.threshold: got '.nan', expected a number"),
        ("block_length: 0", "f:7: occurrence.block_length: got 0, expected greater than or equal to 1"),
        ("block_length: 2.5", "f:7: occurrence.block_length: got 2.5, expected an integer"),
        ("partial_blocks: dropped", "f:7: occurrence.partial_blocks: got 'dropped', expected 'drop' or 'keep'"),
        ("max_blocks_per_document: 0", "f:7: occurrence.max_blocks_per_document: got 0, expected greater than or"),
        ("blok_length: 9", "f:7: occurrence.blok_length: unknown key; did you mean 'block_length'?; known: block_len"),
    ],
)
def test_settings_of_occurrence_are_checked(line: str, message: str) -> None:
    found = messages(f"{GOOD}occurrence:\n  {line}\n")
    assert len(found) == 1
    assert found[0].startswith(message)
