"""Paths of this machine that a path of a spec stands for: what is there by that name, or what matches it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from glob import escape, glob
from pathlib import Path


def matching_paths(path: str | os.PathLike[str]) -> list[Path]:
    """Return the path itself where it exists, and else the paths that it matches as a pattern, sorted.

    A name that is there is read as it is, whatever signs it holds; ``*``, ``?``, ``[`` and ``**`` are looked for only
    where it is not. That goes for each folder of a path.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "run [seed 1]"
    >>> folder.mkdir()
    >>> (folder / "a.csv").touch()
    >>> [found.name for found in (*matching_paths(folder / "a.csv"), *matching_paths(folder / "*.csv"))]
    ['a.csv', 'a.csv']
    """
    whole = Path(path)
    if os.path.exists(whole):
        return [whole]
    places = {Path(whole.anchor)}
    parts = whole.parts[1:] if whole.anchor else whole.parts
    for depth, part in enumerate(parts):
        places = {found for place in places for found in _inside(place, part, is_last=depth == len(parts) - 1)}
    return sorted(places, key=str)


def literal(path: str | os.PathLike[str]) -> str:
    """Return a path as a pattern that matches nothing else, for libraries that take every path for one."""
    return escape(os.fspath(path))


def _inside(place: Path, part: str, *, is_last: bool) -> Iterator[Path]:
    """Yield what a part of a path stands for in a folder."""
    if os.path.exists(place / part):
        yield place / part
        return
    # Two stars stand for any number of folders, none too, unless they are the last part.
    tail = "" if part == "**" and not is_last else None
    names = (escape(str(place)), part) if tail is None else (escape(str(place)), part, tail)
    yield from map(Path, glob(os.path.join(*names), recursive=True))
