"""A small package with a metric, a figure and tests: it works, and its author replaces what it measures."""

from __future__ import annotations

import io
import keyword
import os
import re
import tokenize
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from saegeom_data.data import group_kinds
from saegeom_data.data.staging import staged_folder
from saegeom_data.declare.registry import list_metrics
from saegeom_data.errors import ParameterError
from saegeom_data.spec.models import shipped_specs

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_EXPECTED = "small letters and digits, with single underscores between words and a letter first, such as norm_spread"
# What commands take beside names of metrics.
_KINDS = ("metrics", "runs", "datasets", "benchmarks")
# File systems and the line length of the package allow no more.
_LONGEST_NAME = 40
_ENDING = ".txt"


def new_package(name: str, folder: str | os.PathLike[str] | None = None) -> Path:
    """Write a package that registers one metric, and passes its own tests once it is installed.

    Parameters
    ----------
    name
        Name of the metric.
    folder
        Folder to make; ``saegeom-NAME`` here, if not given.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ParameterError
        If no metric can have the name, or one has it already.
    TargetExistsError
        If the folder exists.

    Examples
    --------
    >>> import tempfile
    >>> made = new_package("norm_spread", Path(tempfile.mkdtemp()) / "mine")
    >>> sorted(file.name for file in made.iterdir())
    ['README.md', 'pyproject.toml', 'saegeom_norm_spread', 'tests']
    """
    templates = _templates()
    _refuse_name(name, templates)
    words = {
        "name": name,
        "words": name.replace("_", " "),
        "package": f"saegeom_{name}",
        "distribution": f"saegeom-{name.replace('_', '-')}",
    }
    target = Path(words["distribution"] if folder is None else folder)
    # Names of files do not depend on what is written in them.
    renamed = {"package": words["package"], "test_metric.py": f"test_{name}.py"}
    with staged_folder(target) as staged:
        for path, text in templates.items():
            file = staged.joinpath(*(renamed.get(part, part) for part in path.split("/")))
            file.parent.mkdir(exist_ok=True)
            file.write_text(Template(text).substitute(words), encoding="utf-8")
    return target


def _templates() -> dict[str, str]:
    """Text of each file of the package, by its path in there."""
    return dict(_texts(files("saegeom_data.templates") / "metric", ""))


def _texts(folder: Traversable, within: str) -> list[tuple[str, str]]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found += _texts(entry, f"{within}{entry.name}/")
        elif entry.name.endswith(_ENDING):
            found.append((within + entry.name.removesuffix(_ENDING), entry.read_text(encoding="utf-8")))
    return found


def _refuse_name(name: str, templates: dict[str, str]) -> None:
    """Raise :class:`ParameterError` for a name that no metric can have."""
    if not _NAME.fullmatch(name):
        raise ParameterError(f"metric: got {name!r}, expected {_EXPECTED}")
    if len(name) > _LONGEST_NAME:
        raise ParameterError(f"metric: got a name of {len(name)} letters, expected at most {_LONGEST_NAME}; shorten it")
    if taken := _taken(name, templates):
        raise ParameterError(f"metric: {name!r} {taken}; give another name")


def _taken(name: str, templates: dict[str, str]) -> str:
    """What has a name already; empty if nothing has."""
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return "is a word of Python"
    if name in list_metrics():
        return f"is registered already (saegeom describe {name})"
    if group_kinds.kind_of(name) is not None:
        return "is a group of datasets"
    if name in _KINDS:
        return "is what saegeom list calls a kind of things"
    for kind in _KINDS[1:]:
        if name in shipped_specs(kind):
            return f"is one of the {kind} that come with the package (saegeom describe {name})"
    if name in {word for path, text in templates.items() if path.endswith(".py") for word in _words(text)}:
        return "has a meaning of its own in the package"
    return ""


def _words(code: str) -> set[str]:
    """Names and short texts in code: a function of the same name would hide what they mean."""
    tokens = tokenize.generate_tokens(io.StringIO(code.replace("$", "")).readline)
    kinds = {tokenize.NAME, tokenize.STRING}
    # What begins as a placeholder is no name of the code.
    return {token.string.strip("\"'") for token in tokens if token.type in kinds} - {"name", "words", "package"}
