"""Rule 7 of CONTRIBUTING.md, read from the source: inputs of a lazy step have names where there are more than two."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_step_of_whole_arrays_has_at_most_two_inputs_by_place() -> None:
    unnamed, n_calls = [], 0
    for file in sorted([*(ROOT / "metrics").rglob("*.py"), *(ROOT / "saegeom_data").rglob("*.py")]):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("whole", "lazy.whole"):
                n_calls += 1
                inputs = node.args[1:]
                if len(inputs) > 2 or any(isinstance(entry, ast.Starred) for entry in inputs):
                    unnamed.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert not unnamed, "give these inputs by name"
    assert n_calls > 50
