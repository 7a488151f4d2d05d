"""Labels and examples from a source into a store: joined by model, SAE and index, checked, and added to those there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from saegeom_data.data import store
from saegeom_data.data.labels import Label, labels_group, labels_of, sources_of
from saegeom_data.data.manifest_of import root_hash
from saegeom_data.data.write import write_group
from saegeom_data.errors import DataValueError, ParameterError, UnknownNameError
from saegeom_data.labels.examples import ExamplesReader
from saegeom_data.labels.extend import extended, writable
from saegeom_data.labels.formats import FORMATS
from saegeom_data.labels.found import Format, Found
from saegeom_data.labels.join import check_labels, features_of, joined_parts
from saegeom_data.labels.source import LabelSource
from saegeom_data.labels.spool import scratch_beside

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Labelled:
    """What was added to one SAE.

    Parameters
    ----------
    sae
        Its name.
    n_labels, n_features
        Labels that were added, and features that have one of them; 0 if the source had been added before, None if it
        has no labels.
    n_examples, n_features_with_examples
        The same of examples.
    root
        Root hash of the store now.
    """

    sae: str
    n_labels: int | None
    n_features: int | None
    n_examples: int | None
    n_features_with_examples: int | None
    root: str


def label_store(
    path: str | os.PathLike[str],
    source: str | os.PathLike[str],
    *,
    sae: str | None = None,
    format: str | None = None,
    part: str | None = None,
    model: str | None = None,
    license: str | None = None,
    is_partial: bool = False,
    with_examples: bool = True,
    progress: Callable[[str], None] = lambda message: None,
) -> list[Labelled]:
    """Add labels and examples of features to a store, all of a source or none. What is there stays as it is.

    Examples are contexts with the activation on each token: ``activations`` of an export of Neuronpedia, and those of
    SAEDashboard. They are read and written piece by piece, on the disk of the store.

    Parameters
    ----------
    path
        Store of this machine. It gets a new root hash.
    source
        File or folder, here or at ``s3://``, ``https://`` or ``hf://``: see ``FORMATS``.
    sae
        SAE that the labels are of. Found by the key of Neuronpedia, by layer, or as the only one, if not given.
    format
        One of ``FORMATS``; recognised if not given.
    part
        Which of several SAEs of the source, as it names them; all that the store has if not given.
    model
        Name by which the source calls the model of the store, if the two names do not show that it is one model.
    license
        Licence of the labels, if known.
    is_partial
        Whether batches may be missing.
    with_examples
        Whether examples are added too.
    progress
        Called with what is done next.

    Returns
    -------
    list of Labelled
        One for each SAE that the source has labels or examples of.

    Raises
    ------
    DataValueError
        If labels or examples are of another model or width, twice there, of no feature of the SAE, or damaged.
    StoreError, ParameterError, UnknownNameError
        If store or source cannot be read, or it is not clear which SAE the labels are of.
    """
    # Before anything is fetched.
    writable(path)
    opened = LabelSource(os.fspath(source))
    reader, parts = _recognised(opened, format)
    added: list[tuple[str, int | None, int | None, int | None, int | None]] = []
    groups: dict[str, xr.Dataset] = {}
    # Examples lie beside the store until it is written anew.
    with scratch_beside(path) as scratch:
        with store.open(path) as tree:
            if "saes" not in tree.children:
                raise ParameterError(f"{path}: holds no SAEs, so that there are no features to label")
            joined = joined_parts(tree, opened, parts, sae, part)
            for name, which in joined.items():
                progress(f"{name}: reading {which or opened.name}")
                one = _Source(tree, name, reader, opened, which, model, license, is_partial, progress)
                # Labels first: they are small, and may show that the source is of another SAE.
                labels = one.labels()
                examples = one.examples(scratch / name) if with_examples else _NOTHING
                if labels.n_entries is None and examples.n_entries is None:
                    raise DataValueError(f"{one.where}: no labels in it; expected at least one")
                found = {"labels": labels.group, "examples": examples.group}
                groups |= {f"saes/{name}/{kind}": group for kind, group in found.items() if group is not None}
                added.append((name, *labels[1:], *examples[1:]))
        if groups:
            with extended(path, list(groups)) as folder:
                for group_path, group in groups.items():
                    write_group(Path(folder), group_path, group)
    root = root_hash(path)
    return [Labelled(*counts, root) for counts in added]


class _Added(NamedTuple):
    """A group to be written, and the number of entries and of features that are new in it; None for no entries."""

    group: xr.Dataset | None
    n_entries: int | None
    n_features: int | None


_NOTHING = _Added(None, None, None)


@dataclass(frozen=True)
class _Source:
    """What a source has of one SAE of a store."""

    tree: xr.DataTree
    name: str
    reader: Format
    opened: LabelSource
    part: str
    model: str | None
    license: str | None
    is_partial: bool
    progress: Callable[[str], None]

    @property
    def where(self) -> str:
        return self.opened.address if not self.part else f"{self.opened.address}: {self.part}"

    def labels(self) -> _Added:
        # Read by a source of its own, so that the checksum is that of what this SAE's labels are from.
        own = self.opened.anew()
        found = self.reader.read(own, self.part, is_partial=self.is_partial)
        check_labels(found, features_of(self.tree, self.name), self.name, self.model, self.where)
        if not found.labels:
            return _NOTHING
        group = _with_labels(self.tree, self.name, found, self._record(own, found))
        if group is None:
            return _Added(None, 0, 0)
        return _Added(group, sum(map(len, found.labels.values())), len(found.labels))

    def examples(self, folder: Path) -> _Added:
        own, found = self.opened.anew(), Found()
        folder.mkdir()
        examples = ExamplesReader(self.tree, self.name, folder, self.model, self.progress)
        count = examples.read(self.reader.examples(own, self.part, found, is_partial=self.is_partial), found)
        if not count:
            return _NOTHING
        added = examples.group(self._record(own, found))
        return _Added(None, 0, 0) if added is None else _Added(added[0], count, added[1])

    def _record(self, source: LabelSource, found: Found) -> dict[str, Any]:
        """What is kept of a source beside what is from it."""
        facts = {"model": found.model, "source_id": self.part, "license": self.license or ""}
        known = {"url": source.address, "sha256": source.sha256, "date": time.strftime("%Y-%m-%d", time.gmtime())}
        return known | {key: value for key, value in facts.items() if value} | dict(found.facts)


def _recognised(source: LabelSource, format: str | None) -> tuple[Format, list[str]]:
    """The format of a source, and the SAEs that it has labels of."""
    if format is not None and format not in FORMATS:
        raise UnknownNameError("format of labels", format, FORMATS)
    for reader in [FORMATS[format]] if format is not None else FORMATS.values():
        if parts := reader.parts(source):
            return reader, parts
    known = "; ".join(f"{name}: {reader.WHAT}" for name, reader in FORMATS.items() if format in (None, name))
    raise DataValueError(f"{source.address}: holds no labels of a known layout; expected {known}")


def _with_labels(tree: xr.DataTree, name: str, found: Found, record: Mapping[str, Any]) -> xr.Dataset | None:
    """Labels that an SAE has, followed by those that were found; None if that source has been added before."""
    node = tree["saes"].children[name]
    n_features = node.children["features"].sizes["features"]
    sources: list[Mapping[str, Any]] = []
    labels: dict[int, list[Label]] = {}
    if "labels" in node.children:
        held = node.children["labels"].to_dataset(inherit=False)
        sources = list(sources_of(held))
        labels = {feature: listed for feature, listed in enumerate(labels_of(held)) if listed}
    if any(source["sha256"] == record["sha256"] for source in sources):
        return None
    for feature, listed in found.labels.items():
        new = [replace(label, source=len(sources)) for label in listed]
        labels[feature] = [*labels.get(feature, []), *new]
    return labels_group(labels, n_features, [*sources, record])
