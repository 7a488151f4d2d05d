"""``saegeom new spec``: what it writes is valid, and so is every choice that its comments offer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import saegeom_data
from saegeom_data.cli.validate import check_spec_file
from saegeom_data.errors import ParameterError, UnknownNameError
from saegeom_data.guide.spec_schema import KINDS
from saegeom_data.templates import new_spec

# A choice has its key right behind the sign; prose has one space there.
CHOICE = re.compile(r"^( *)#(?=\S|  )", re.MULTILINE)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_valid_with_and_without_what_may_be_chosen(kind: str, tmp_path: Path) -> None:
    text = new_spec(kind)
    assert len(CHOICE.findall(text)) > 1
    for content in (text, CHOICE.sub(r"\1", text)):
        (tmp_path / "spec.yaml").write_text(content, encoding="utf-8")
        check_spec_file(tmp_path / "spec.yaml")


def test_a_run_has_every_metric_with_all_of_its_parameters(tmp_path: Path) -> None:
    text = CHOICE.sub(r"\1", new_spec("run", saegeom_data.list_metrics()))
    (tmp_path / "spec.yaml").write_text(text, encoding="utf-8")
    check_spec_file(tmp_path / "spec.yaml")
    for name in saegeom_data.list_metrics():
        for parameter in saegeom_data.get_metric(name).parameters:
            assert re.search(rf"^- metric: {name}\n(  .*\n)*    {parameter}:", text + "\n", re.MULTILINE), parameter


def test_a_benchmark_holds_on_the_sample() -> None:
    from saegeom_data.share.benchmark import Benchmark, check
    from saegeom_data.spec.models import parse_spec

    found = check(parse_spec(new_spec("benchmark"), Benchmark))
    assert [checked.verdict for checked in found] == ["pass", "not judged"]


def test_a_catalogue_has_the_sample_as_it_is() -> None:
    from saegeom_data.share.catalogue import Catalogue, catalogue_entry
    from saegeom_data.spec.models import parse_spec

    (entry,) = parse_spec(new_spec("catalogue"), Catalogue).datasets
    counted = catalogue_entry(saegeom_data.sample_path())
    for name in ("title", "root", "bytes", "license", "saes"):
        assert getattr(entry, name) == getattr(counted, name), name


def test_a_dataset_can_be_planned(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from saegeom_data.cli.main import app

    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("A river runs to the sea. " * 40, encoding="utf-8")
    (tmp_path / "dataset.yaml").write_text(new_spec("dataset"), encoding="utf-8")
    arguments = ["build", str(tmp_path / "dataset.yaml"), "--root", f"text={tmp_path / 'text'}", "--plan"]
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, done.exception) == (0, None)
    assert "text 'prose'" in done.output
    assert "my-dataset.zarr" in done.output


def test_bad_input_is_one_line() -> None:
    for kind, metrics, expected in (
        ("runs", (), "no kind of spec is named 'runs'; did you mean 'run'?; known: benchmark, catalogue, dataset, run"),
        ("run", ("isotrop",), "no metric is named 'isotrop'; did you mean 'isotropy'?"),
        ("run", ("isotropy", "isotropy"), "names one of them twice; leave one out"),
        ("dataset", ("isotropy",), "given for a dataset spec, and only a run spec measures; leave it out"),
    ):
        with pytest.raises((ParameterError, UnknownNameError)) as refused:
            new_spec(kind, metrics)
        assert expected in str(refused.value)
        assert "\n" not in str(refused.value)
