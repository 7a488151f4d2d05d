"""Text: generated mathematics that is right, draws that repeat, sources that `datasets` loads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from saegeom_data.harvest.mathematics import TOPICS, worksheets
from saegeom_data.harvest.recipe import Source
from saegeom_data.harvest.stages import Workspace
from saegeom_data.harvest.text import Roots, draw, stream_source

SUM_OR_PRODUCT = re.compile(r"(?<![-+*/^] )(?<![\w./(-])(\d+) ([+*]) (\d+) = (\d+)(?![\w/(]| [-+*/(])")


def test_sums_and_products_of_the_mathematics_are_right() -> None:
    checked = 0
    for worksheet in worksheets(60, seed=3):
        for left, sign, right, result in SUM_OR_PRODUCT.findall(worksheet["text"]):
            expected = int(left) + int(right) if sign == "+" else int(left) * int(right)
            assert int(result) == expected, f"{left} {sign} {right} = {result}"
            checked += 1
    assert checked > 150


def test_derivatives_of_the_mathematics_are_right() -> None:
    pattern = re.compile(r"Differentiate ([fgh])\(x\) = (.+?)\.\n.*?\1'\(x\) = ([^.]+)\.")
    checked = 0
    for worksheet in worksheets(60, seed=4):
        for _, function, derivative in pattern.findall(worksheet["text"]):
            for x in (-1.5, 0.25, 2.0):
                step = 1e-5
                slope = (value_at(function, x + step) - value_at(function, x - step)) / (2 * step)
                assert value_at(derivative, x) == pytest.approx(slope, rel=1e-5, abs=1e-4)
            checked += 1
    assert checked > 20


def value_at(polynomial: str, x: float) -> float:
    total = 0.0
    for sign, factor, variable, power in re.findall(r"([+-]?) ?(\d*)(x?)(?:\^(\d+))?", polynomial):
        if not factor and not variable:
            continue
        value = float(factor or 1) * (x ** int(power or 1) if variable else 1)
        total += -value if sign == "-" else value
    return total


def test_mathematics_repeats_and_varies() -> None:
    first, again = list(worksheets(20, seed=0)), list(worksheets(20, seed=0))
    assert first == again
    assert first != list(worksheets(20, seed=1))
    assert [one["document_id"] for one in first] == [f"mathematics/{index:04d}" for index in range(20)]
    problems = [line for one in worksheets(40, seed=0) for line in one["text"].split("\n\n")[1:]]
    assert len(set(problems)) > 0.95 * len(problems)


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_every_topic_appears(topic: str) -> None:
    assert any(topic in one["text"].split("\n\n")[0] for one in worksheets(60, seed=0))


def test_draws_repeat_and_keep_their_order() -> None:
    assert draw(5, None, 0) == draw(5, 9, 0) == [0, 1, 2, 3, 4]
    drawn = draw(1000, 10, 7)
    assert drawn == draw(1000, 10, 7) == sorted(set(drawn))
    assert drawn != draw(1000, 10, 8)


def test_a_dataset_of_the_hub_kind_is_read_from_its_columns(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    pytest.importorskip("transformers")
    folder = tmp_path / "corpus"
    folder.mkdir()
    rows = [{"key": f"k{index}", "body": f"text number {index}", "other": 0} for index in range(5)]
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    hub = {"path": str(folder), "text": "body", "document_id": "key"}
    source = Source.model_validate(
        {"name": "own", "document_type": "note", "title": "Own", "license": "CC0-1.0", "dataset": hub, "documents": 3}
    )
    rows = list(stream_source(source, Roots(), tmp_path / "work", seed=0))
    assert [row["document_id"] for row in rows] == ["own/k0", "own/k1", "own/k2"]
    assert rows[2]["text"] == "text number 2"


def test_a_stage_is_made_again_only_when_something_it_was_made_from_changes(tmp_path: Path) -> None:
    made = []
    space = Workspace(tmp_path)

    def run(key: int) -> None:
        text = space.run("text", {"key": key}, (), lambda folder: made.append("text"))
        space.run("tokens", {}, (text,), lambda folder: made.append("tokens"))

    run(1)
    run(1)
    assert made == ["text", "tokens"]
    run(2)
    assert made == ["text", "tokens"] * 2


def test_a_stage_that_failed_starts_over_in_an_empty_folder(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    space = Workspace(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        space.run("text", {}, (), fail)
    found = space.run("text", {}, (), lambda folder: None)
    assert [file.name for file in found.folder.iterdir()] == ["stage.json"]
