"""The table of formats: every module is in it, all read alike, and no example of one is taken for another."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from saegeom_data.checkpoints import FORMATS, formats
from saegeom_data.checkpoints.checkpoint import Format

FOLDER = Path(formats.__file__).parent
MODULES = sorted(file.stem for file in FOLDER.glob("*.py") if file.stem != "__init__")
# Functions that a module has, in the order in which it is read; between them it may have helpers.
FUNCTIONS = ("_matches", "_read", "_parts", "_encoding", "_site")


def functions(name: str) -> list[str]:
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_is_in_the_table_under_its_own_name(name: str) -> None:
    declared = importlib.import_module(f"saegeom_data.checkpoints.formats.{name}").FORMAT
    assert isinstance(declared, Format)
    assert declared.name == name.replace("_", "-")
    assert FORMATS[declared.name] is declared
    assert len(FORMATS) == len(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_modules_read_alike(name: str) -> None:
    module = importlib.import_module(f"saegeom_data.checkpoints.formats.{name}")
    ordered = [function for function in functions(name) if function in FUNCTIONS]
    assert ordered == [function for function in FUNCTIONS if function in ordered]
    assert {"_matches", "_read", "_parts"} <= set(ordered)
    assert "_site" in ordered or name == "arrays", "plain arrays say nothing of where they are from"
    assert (module.FORMAT.matches, module.FORMAT.read) == (module._matches, module._read)
    assert "refuse" in module.__doc__, "its docstring says what is refused"
