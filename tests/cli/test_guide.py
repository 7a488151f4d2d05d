"""What saegeom guide shows and writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from saegeom_data.cli.main import app
from saegeom_data.declare import registry
from saegeom_data.errors import ParameterError, StoreError, TargetExistsError, UnknownNameError
from saegeom_data.guide.spec_schema import KINDS


def shown(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["guide", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_topics_are_listed_and_shown() -> None:
    listed = shown()
    for name in ("isotropy", "data-model", "specs", "commands", "api", "errors", "clusters"):
        assert f"\n    {name} " in listed
    assert shown("isotropy").startswith("# isotropy\n")
    assert shown("clusters").startswith("# From a laptop")
    assert shown("tutorials/sample").startswith("# Start to finish")
    assert shown("model_and_text") == shown("tutorials/model_and_text")


def test_a_metric_of_another_package_may_have_the_name_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    points = registry._entry_points()
    monkeypatch.setattr(registry, "_entry_points", lambda: {**points, "calibration": points["isotropy"]})

    assert shown("calibration").startswith("# Calibration\n")
    assert "\n    metrics/calibration " in shown()


def test_pages_that_cannot_be_written_leave_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="is a file, in which no other can be made; give another path"):
        shown("--write", str(tmp_path / "file" / "pages"))


def test_an_unknown_topic_is_refused_with_the_nearest() -> None:
    for topic, expected in (
        ("isotropi", "no topic of the guide is named 'isotropi'; did you mean 'isotropy'?; saegeom guide lists all"),
        ("xyz", "no topic of the guide is named 'xyz'; saegeom guide lists all"),
    ):
        with pytest.raises(UnknownNameError) as refused:
            shown(topic)
        assert str(refused.value) == expected


def test_a_name_may_be_cut_short_where_one_page_begins_so() -> None:
    assert shown("iso").startswith("# isotropy\n")
    assert shown("two_d") == shown("tutorials/two_dictionaries")
    with pytest.raises(UnknownNameError, match="did you mean 'features' or 'feature_"):
        shown("feature_")


def test_errors_of_results_are_told_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="none: no such store; check the path"):
        shown("--write", str(tmp_path / "pages"), "--results", str(tmp_path / "none"))
    (tmp_path / "taken").mkdir()
    with pytest.raises(TargetExistsError, match="taken: exists already; give another path"):
        shown("--write", str(tmp_path / "taken"))


def test_options_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="only beside --write"):
        shown("--results", str(tmp_path))
    with pytest.raises(ParameterError, match="got the topic 'isotropy' too"):
        shown("isotropy", "--write", str(tmp_path / "pages"))
    assert not (tmp_path / "pages").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_spec_is_described_for_readers_and_for_editors(kind: str) -> None:
    done = CliRunner().invoke(app, ["describe", "spec", kind, "--json-schema"], catch_exceptions=False)
    schema = json.loads(done.output)
    assert schema["properties"]["kind"]["const"] == kind
    assert schema["additionalProperties"] is False
    text = CliRunner().invoke(app, ["describe", "spec", kind], catch_exceptions=False).output
    assert text.startswith(f"## {kind.capitalize()} spec")


def test_a_schema_is_of_a_spec() -> None:
    with pytest.raises(ParameterError, match="expected saegeom describe spec KIND --json-schema"):
        CliRunner().invoke(app, ["describe", "isotropy", "--json-schema"], catch_exceptions=False)
    with pytest.raises(UnknownNameError, match="did you mean 'run'"):
        CliRunner().invoke(app, ["describe", "spec", "runs"], catch_exceptions=False)
