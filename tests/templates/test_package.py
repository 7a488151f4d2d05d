"""``saegeom new metric``: the package is installed for real, and its own tests run against it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from installed_package import installed

from saegeom_data.errors import ParameterError, TargetExistsError
from saegeom_data.templates import new_package


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_package("mean_direction", tmp_path_factory.mktemp("new") / "mine")


def test_it_is_registered_and_passes_its_own_tests(package: Path, tmp_path: Path) -> None:
    environment = installed(package, tmp_path)
    # Warnings are errors, as in this package.
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "--doctest-modules"]
    done = subprocess.run(
        [*command, "tests", "saegeom_mean_direction"],
        cwd=package,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    # One battery, four tests of its own, and the example of its docstring.
    assert int(done.stdout.split(" passed")[0].split()[-1]) > 50


def test_its_code_passes_the_linters(package: Path) -> None:
    # By itself, as its author has no configuration of ours; tests need no docstrings.
    rules = ["--select", "D,E,F,I,N,UP,W", "--ignore", "D103", "--config", "lint.pydocstyle.convention = 'numpy'"]
    for arguments in (["check", *rules], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--line-length", "120", "--no-cache", "."]
        done = subprocess.run(command, cwd=package, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean-direction", "got 'mean-direction', expected small letters"),
        ("MeanDirection", "got 'MeanDirection', expected small letters"),
        ("2d", "got '2d', expected small letters"),
        ("", "got '', expected small letters"),
        ("../other", "got '../other', expected small letters"),
        ("x__y", "got 'x__y', expected small letters and digits, with single underscores between words"),
        ("lambda", "'lambda' is a word of Python; give another name"),
        ("class", "'class' is a word of Python; give another name"),
        ("match", "'match' is a word of Python; give another name"),
        ("metrics", "'metrics' is what saegeom list calls a kind of things; give another name"),
        ("galaxy", "'galaxy' is one of the runs that come with the package (saegeom describe galaxy); give another"),
        ("isotropy", "'isotropy' is registered already (saegeom describe isotropy); give another name"),
        ("tokens", "'tokens' is a group of datasets; give another name"),
        ("lazy", "'lazy' has a meaning of its own in the package; give another name"),
        ("expected", "'expected' has a meaning of its own in the package; give another name"),
        ("a" * 300, "got a name of 300 letters, expected at most 40; shorten it"),
    ],
)
def test_a_name_that_no_metric_can_have_is_refused(
    name: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError) as refused:
        new_package(name)
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = new_package("mean_direction")
    assert made == Path("saegeom-mean-direction")
    (made / "README.md").write_text("mine", encoding="utf-8")
    with pytest.raises(TargetExistsError, match="saegeom-mean-direction: exists already"):
        new_package("mean_direction")
    assert (made / "README.md").read_text(encoding="utf-8") == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["saegeom-mean-direction"]


def test_its_templates_are_package_data() -> None:
    import tomllib

    root = Path(__file__).parents[2]
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folder = root / "saegeom_data" / "templates"
    covered = {file for pattern in declared["package-data"]["saegeom_data.templates"] for file in folder.glob(pattern)}
    files = {file for file in folder.rglob("*") if file.is_file() and file.suffix not in {".py", ".pyc"}}
    assert covered == files
    assert len(files) == 9
