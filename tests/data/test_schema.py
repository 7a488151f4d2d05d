from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from saegeom_data.data import schema


def test_schema_stands_on_the_ground() -> None:
    code = "import sys, saegeom_data.data.schema; print([m for m in sys.modules if m.startswith('saegeom_data.')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    data = ["saegeom_data.data", "saegeom_data.data.schema"]
    own = [*data, "saegeom_data.errors", "saegeom_data.shown"]
    assert sorted(ast.literal_eval(found.stdout)) == own


@pytest.mark.parametrize("names", [["layer_10", "layer_2"], ["1³", "1²"], ["²", "x"]])
def test_names_with_other_digits_than_decimal_ones_are_sorted_as_text(names: list[str]) -> None:
    first, second = sorted(names, key=schema.natural_order)
    assert [second, first] == names
