"""The registry of SAEs that comes with SAELens: where each lies, and what its files do not say.

Read from its file alone: to import SAELens takes seconds and torch. The file is written by hand, so that an entry that
is not as it should be is passed over.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from saegeom_data.checkpoints.checkpoint import Checkpoint
from saegeom_data.errors import MissingDependencyError, ParameterError, StoreError, suggest
from saegeom_data.remote.address import is_remote

_FILE = "pretrained_saes.yaml"
_HUB = "hf://"
_FROM = "the registry of SAELens"


@dataclass(frozen=True)
class Entry:
    """One SAE of the registry.

    Parameters
    ----------
    release, id
        Its name, in two parts; the second may have slashes.
    address
        Where it lies on the Hugging Face Hub.
    model
        Model that it was trained on, as the registry calls it; empty if it does not.
    l0
        Features on a token, on average, where the registry says it.
    neuronpedia
        ``<model>/<source>`` under which Neuronpedia shows it; empty if it does not.
    """

    release: str
    id: str
    address: str
    model: str = ""
    l0: float | None = None
    neuronpedia: str = ""

    @property
    def name(self) -> str:
        """Release and id, as ``saegeom import`` takes it."""
        return f"{self.release}/{self.id}"


def entries() -> tuple[Entry, ...]:
    """All SAEs of the registry; none where SAELens is not installed."""
    spec = importlib.util.find_spec("sae_lens")
    file = None if spec is None or spec.origin is None else Path(spec.origin).with_name(_FILE)
    return _entries(file) if file is not None and file.is_file() else ()


def search(words: str) -> list[Entry]:
    """SAEs of the registry in whose names, model or key of Neuronpedia all words occur.

    Raises
    ------
    MissingDependencyError
        If SAELens is not installed.
    """
    found = entries()
    if not found:
        raise MissingDependencyError("list saes: needs SAELens's registry; pip install 'saegeom-data[harvest]'")
    asked = words.lower().split()
    return [each for each in found if all(word in _text(each) for word in asked)]


def addresses(source: str | os.PathLike[str]) -> list[tuple[str | os.PathLike[str], Entry | None]]:
    """Addresses of what a user names: the SAEs of a release that fit ``RELEASE/ID``, or else the address itself.

    ``RELEASE`` alone stands for all of its SAEs, and the id may be a pattern. A path that is there is always a path.

    Raises
    ------
    ParameterError
        If the release has no such SAE.
    StoreError
        If nothing has that name, and a release has nearly the same.
    """
    name = os.fspath(source)
    # Before the table is read: most addresses are none of its releases, and reading it takes a second.
    if is_remote(name) or os.path.lexists(name) or os.path.isabs(name):
        return [(source, None)]
    release, _, asked = name.strip("/").partition("/")
    known = [each for each in entries() if each.release == release]
    if not known:
        near = suggest(release, sorted({each.release for each in entries()}))
        if near:
            raise StoreError(f"{name}: no such file or folder, and no such release in {_FROM}{near}")
        return [(source, None)]
    fitting = [each for each in known if not asked or each.id == asked or fnmatchcase(each.id, asked)]
    if not fitting:
        near = suggest(asked, [each.id for each in known])
        raise ParameterError(
            f"{name}: the release {release} has no SAE {asked!r}{near}; see saegeom list saes --search"
        )
    return [(each.address, each) for each in fitting]


def with_entry(checkpoint: Checkpoint, entry: Entry | None) -> Checkpoint:
    """A checkpoint with what the registry says of it and its files do not, and with its key of Neuronpedia."""
    if entry is None:
        return checkpoint
    notes = {"saelens_release": entry.release, "saelens_id": entry.id, "neuronpedia": entry.neuronpedia}
    found = replace(checkpoint, notes={**checkpoint.notes, **{key: value for key, value in notes.items() if value}})
    if checkpoint.l0 is None and entry.l0 is not None:
        found = replace(found, l0=entry.l0, l0_source=_FROM)
    return found


@functools.cache
def _entries(file: Path) -> tuple[Entry, ...]:
    import yaml

    # The parser in C takes a second, that in Python half a minute.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    releases = yaml.load(file.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506, it is a safe one
    return tuple(_of_releases(releases))


def _of_releases(releases: Any) -> Iterator[Entry]:
    """Yield the entries of a table of releases that say where their weights are."""
    for release, held in releases.items() if isinstance(releases, dict) else ():
        # The table is of another package: an entry of a form that is not known must not hide the others.
        if not isinstance(held, dict) or not isinstance(held.get("repo_id"), str):
            continue
        saes = held.get("saes")
        for sae in saes if isinstance(saes, list) else ():
            if not isinstance(sae, dict) or not all(isinstance(sae.get(key), str) for key in ("id", "path")):
                continue
            l0, model, key = sae.get("l0"), held.get("model"), sae.get("neuronpedia")
            yield Entry(
                str(release),
                sae["id"],
                f"{_HUB}{held['repo_id']}/{sae['path'].strip('/')}",
                model if isinstance(model, str) else "",
                float(l0) if isinstance(l0, int | float) and not isinstance(l0, bool) and l0 >= 0 else None,
                key if isinstance(key, str) else "",
            )


def _text(entry: Entry) -> str:
    return f"{entry.name} {entry.model} {entry.neuronpedia}".lower()
