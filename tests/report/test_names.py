"""The report knows no metric and no output by name: it reads them from declarations and presentations."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from saegeom_data.declare import get_metric, list_metrics

REPORT = Path(__file__).parents[2] / "saegeom_data" / "report"
# Names of outputs that are also a property of fonts or figures, and the ends of intervals of trends.
COMMON = {"family", "high", "low", "text"}
METRICS = set(list_metrics())
OUTPUTS = {output.name for name in METRICS for output in get_metric(name).outputs} - COMMON


def texts(file: Path) -> Iterator[str]:
    """Strings of a module without its docstrings; all of a template."""
    source = file.read_text(encoding="utf-8")
    if file.suffix != ".py":
        yield source
        return
    tree = ast.parse(source)
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            yield node.value


def named(text: str) -> set[str]:
    """Names in a text: those with an underscore anywhere, and single words where they are all of it."""
    words = set(re.findall(r"[A-Za-z]\w*_\w+", text)) | {text}
    return words & (METRICS | OUTPUTS)


def test_the_report_names_no_metric_and_no_output() -> None:
    files = [file for file in sorted(REPORT.iterdir()) if file.suffix in {".py", ".html"}]
    # An empty folder would hold no name either.
    assert len(files) > 8
    found = {file.name: names for file in files if (names := set().union(*map(named, texts(file))))}
    assert found == {}


def test_a_name_would_be_found() -> None:
    assert named("eigenvalue_slope") == {"eigenvalue_slope"}
    assert named("slope") == {"slope"}
    assert named("see clustering_entropy/negentropy") == {"clustering_entropy"}
    assert named("a slope of the curve") == set()
