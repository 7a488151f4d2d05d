"""No docstring is longer than 80 lines; statistics that need more have their place on a page of the guide."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [file for name in ("saegeom_data", "metrics") for file in (ROOT / name).rglob("*.py")]


def lengths(file: Path) -> dict[str, int]:
    """Lines of each docstring of a module."""
    found = {}
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            first = node.body[0]
            found[getattr(node, "name", file.stem)] = (first.end_lineno or 0) - first.lineno + 1
    return found


@pytest.mark.parametrize("folder", ["saegeom_data", "metrics"])
def test_no_docstring_is_longer_than_80_lines(folder: str) -> None:
    files = [file for file in FILES if file.relative_to(ROOT).parts[0] == folder]
    counted = {f"{file.relative_to(ROOT)}: {name}": n for file in files for name, n in lengths(file).items()}
    assert len(counted) > 100
    assert {name: n for name, n in counted.items() if n > 80} == {}


def test_metrics_of_which_more_is_to_be_said_say_it_on_their_page() -> None:
    from saegeom_data import get_metric, list_metrics

    detailed = {name for name in list_metrics() if (guidance := get_metric(name).guidance) and guidance.details}
    assert {"parallelogram_quality", "lobe_modularity", "eigenvalue_slope"} <= detailed
    for name in detailed:
        assert f"``saegeom guide {name}``" in (get_metric(name).function.__doc__ or ""), name
