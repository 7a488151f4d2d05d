"""Named roots of text: folders and addresses that a recipe's paths are relative to."""

from __future__ import annotations

import string
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from saegeom_data.errors import ParameterError


@dataclass(frozen=True)
class Roots:
    """Where the paths of a recipe start.

    Parameters
    ----------
    spec_folder
        Relative paths start here.
    folders
        Folders, or URLs of them, by name, for paths such as ``"{corpora}/inaugural.zip"``; ``stdlib``, the running
        Python's library, is always known.
    """

    spec_folder: Path = Path()
    folders: Mapping[str, str | Path] = field(default_factory=dict)

    def absolute(self) -> Roots:
        """Return the same for processes with other working directories."""
        folders = {
            name: str(folder) if is_url(str(folder)) else str(Path(folder).absolute())
            for name, folder in self.folders.items()
        }
        return Roots(self.spec_folder.absolute(), folders)

    def resolve(self, path: str) -> Path:
        """Return where a path of the recipe is on disk.

        Raises
        ------
        ParameterError
            If it starts with a root that is not given, or is at a URL.
        """
        filled = self.fill(path)
        if is_url(filled):
            raise ParameterError(f"{filled}: is a URL, expected a file on disk; fetch it and give its folder")
        return self.spec_folder / filled

    def fill(self, path: str) -> str:
        """Return a path of the recipe, which may be a URL, with its root filled in.

        Raises
        ------
        ParameterError
            If it starts with a root that is not given, or has a brace that is not a root.
        """
        known = {"stdlib": sysconfig.get_path("stdlib"), **self.folders}
        # Whole names are looked up, so that a path cannot reach into attributes, as {corpora.parent} would.
        for name in _named_roots(path):
            if name not in known:
                raise ParameterError(
                    f"{path}: the root {name!r} is not given; say where it is with --root {name}=FOLDER"
                )
        return path.format_map({name: str(folder).rstrip("/") for name, folder in known.items()})


def _named_roots(path: str) -> list[str]:
    try:
        parts = list(string.Formatter().parse(path))
    except ValueError:
        parts = [("", path, "not a name", None)]
    if any(form or conversion for _, _, form, conversion in parts):
        raise ParameterError(
            f"{path}: got a brace that is not a root, expected such as {{corpora}}/x; write {{{{ for a plain brace"
        )
    return [name for _, name, _, _ in parts if name is not None]


def is_url(path: str) -> bool:
    """Whether a path is the address of a web page."""
    return path.startswith(("http://", "https://"))
