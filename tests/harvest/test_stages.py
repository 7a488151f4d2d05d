"""Stages of a build: made once, and again when something they were made from changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from saegeom_data.harvest.stages import Workspace


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


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[]"])
def test_a_stage_whose_marker_is_damaged_is_made_again(tmp_path: Path, content: bytes) -> None:
    made = []
    for _ in range(2):
        Workspace(tmp_path).run("text", {}, (), lambda folder: made.append(folder))
        (tmp_path / "text" / "stage.json").write_bytes(content)
    assert len(made) == 2


def test_a_stage_that_failed_starts_over_in_an_empty_folder(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    space = Workspace(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        space.run("text", {}, (), fail)
    found = space.run("text", {}, (), lambda folder: None)
    assert [file.name for file in found.folder.iterdir()] == ["stage.json"]
