from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SCALES = ("galaxy", "brain", "atom")


def test_packages_are_the_folders_on_disk() -> None:
    folders = {"saegeom_data.specs"}
    for name in ("saegeom_data", "metrics"):
        for initial in (ROOT / name).rglob("__init__.py"):
            folder = initial.parent.relative_to(ROOT)
            if not any((ROOT / part).is_symlink() for part in [folder, *folder.parents]):
                folders.add(".".join([*(["saegeom_data"] if name == "metrics" else []), *folder.parts]))
    assert sorted(PYPROJECT["tool"]["setuptools"]["packages"]) == sorted(folders)


def test_no_module_stands_outside_a_package() -> None:
    for name in ("saegeom_data", "metrics"):
        for file in (ROOT / name).rglob("*.py"):
            assert (file.parent / "__init__.py").is_file(), file


@pytest.mark.parametrize("name", ["metrics", "specs"])
def test_links_are_relative_and_lead_to_the_folder(name: str) -> None:
    link = ROOT / "saegeom_data" / name
    assert link.is_symlink()
    assert link.readlink() == Path("..") / name
    assert link.resolve() == (ROOT / name).resolve()
    assert PYPROJECT["tool"]["setuptools"]["package-dir"][f"saegeom_data.{name}"] == name


def test_every_metric_is_registered_and_every_entry_point_leads_somewhere() -> None:
    entry_points = PYPROJECT["project"]["entry-points"]["saegeom_data.metrics"]
    found = {}
    for scale in SCALES:
        for entry in (ROOT / "metrics" / scale).iterdir():
            if not entry.stem.startswith("_"):
                found[entry.stem] = f"saegeom_data.metrics.{scale}.{entry.stem}:{entry.stem}"
                source = entry / "__init__.py" if entry.is_dir() else entry
                body = ast.parse(source.read_text("utf-8")).body
                assert entry.stem in [node.name for node in body if isinstance(node, ast.FunctionDef)]
    assert entry_points == found


def test_specs_and_lists_are_package_data() -> None:
    import fnmatch

    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["saegeom_data.specs"]
    suffixes = {f"x{file.suffix}" for file in (ROOT / "specs").rglob("*") if file.is_file() and file.suffix != ".pyc"}
    unlisted = {name for name in suffixes if not any(fnmatch.fnmatch(f"a/{name}", pattern) for pattern in patterns)}
    assert unlisted <= {"x.py", "x.md"}


def test_pages_of_the_guide_are_package_data() -> None:
    pages = {file.name for file in (ROOT / "saegeom_data" / "guide").rglob("*.md")}
    assert {"calibration.md", "own_sae.md"} <= pages
    assert "guide/**/*.md" in PYPROJECT["tool"]["setuptools"]["package-data"]["saegeom_data"]


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import saegeom_data", "numpy xarray zarr dask scipy torch sklearn numba pydantic plotly typer yaml"),
        ("import saegeom_data; saegeom_data.sample_path()", "numpy xarray zarr dask torch sklearn numba plotly"),
        ("import saegeom_data.data.store", "xarray zarr torch sklearn numba plotly"),
        (
            "import saegeom_data.spec.models, saegeom_data.data.schema, saegeom_data.errors",
            "numpy xarray zarr dask torch numba",
        ),
    ],
)
def test_imports_are_light(statement: str, heavy: str) -> None:
    code = f"import sys; {statement}; print([name for name in {heavy.split()} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    import saegeom_data

    for name in saegeom_data.__all__:
        assert getattr(saegeom_data, name) is not None
    assert dir(saegeom_data) == sorted(saegeom_data.__all__)
    assert saegeom_data.__version__ == PYPROJECT["project"]["version"]
    with pytest.raises(AttributeError, match="has no attribute 'oppen'"):
        _ = saegeom_data.oppen


def test_version_and_licence_are_the_same_everywhere() -> None:
    import yaml

    project = PYPROJECT["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in project["authors"]]
    assert f"## [{project['version']}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_modules_that_the_changelog_sends_to_are_there() -> None:
    table = [line for line in (ROOT / "CHANGELOG.md").read_text("utf-8").splitlines() if line.startswith("| `saegeom")]
    named = [name for line in table for name in re.findall(r"`(saegeom_data\.[\w.]*\w)`", line.split("|")[2])]
    assert len(named) >= 20
    for name in named:
        if name != "saegeom_data.open":
            assert importlib.util.find_spec(name) is not None, name
