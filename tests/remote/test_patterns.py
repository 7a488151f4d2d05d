"""Paths of specs: what is there is read by its name, and a pattern is looked for only where nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from saegeom_data.remote.patterns import literal, matching_paths

FILES = (
    "a.csv",
    "b.csv",
    "[ab].csv",
    "x*.csv",
    "run [seed 1]/c.csv",
    "run [seed 1]/d [2]/e.csv",
    "n/m/f.csv",
    "é ü.csv",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        *((name, [name]) for name in FILES),
        ("?.csv", ["a.csv", "b.csv"]),
        ("[a-b].csv", ["a.csv", "b.csv"]),
        ("x*", ["x*.csv"]),
        ("run [seed 1]/*.csv", ["run [seed 1]/c.csv"]),
        ("run*/d [2]/*.csv", ["run [seed 1]/d [2]/e.csv"]),
        ("run [seed 1]/**/*.csv", ["run [seed 1]/c.csv", "run [seed 1]/d [2]/e.csv"]),
        ("n/**/f.csv", ["n/m/f.csv"]),
        ("n/../a.csv", ["n/../a.csv"]),
        ("run [seed 2]/c.csv", []),
        ("nothing.csv", []),
        ("x" * 300, []),
    ],
)
def test_paths_that_a_path_stands_for(pattern: str, found: list[str], folder: Path) -> None:
    assert [str(path.relative_to(folder)) for path in matching_paths(folder / pattern)] == found


def test_a_literal_path_matches_itself_alone(folder: Path) -> None:
    from glob import glob

    for name in FILES:
        assert glob(literal(folder / name)) == [str(folder / name)]
