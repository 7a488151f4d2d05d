from __future__ import annotations

import ast
import subprocess
import sys


def test_schema_stands_on_the_ground() -> None:
    code = "import sys, saegeom_data.data.schema; print([m for m in sys.modules if m.startswith('saegeom_data.')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    data = ["saegeom_data.data", "saegeom_data.data.schema"]
    own = [*data, "saegeom_data.errors", "saegeom_data.shown"]
    assert sorted(ast.literal_eval(found.stdout)) == own
