"""What is published of a store: its files where they are, documents derived from it, and a manifest of both."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saegeom_data.data import manifest_of, store, write
from saegeom_data.remote.manifest import root_of
from saegeom_data.share.publish.croissant import croissant
from saegeom_data.share.publish.documents import citation, licences, readme
from saegeom_data.share.publish.tables import write_tables

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Publication:
    """Files of a publication.

    Parameters
    ----------
    files
        Where each file lies on this machine, by its name in the publication, without the manifest.
    manifest
        Size and sha256 of each, their root hash, and that of the store they were made from.
    """

    files: Mapping[str, Path] = field(repr=False)
    manifest: Mapping[str, Any] = field(repr=False)

    @property
    def root(self) -> str:
        """Root hash of everything that is published."""
        return str(self.manifest["root"])

    @property
    def store_root(self) -> str:
        """Root hash of the sealed store."""
        return str(self.manifest["store_root"])

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return int(self.manifest["files"][name]["size"])

    def sha256(self, name: str) -> str:
        """Digest of a file."""
        return str(self.manifest["files"][name]["sha256"])

    def manifest_text(self) -> bytes:
        """The manifest as it is written."""
        return json.dumps(self.manifest, indent=1, sort_keys=True).encode()


@contextmanager
def publication_of(path: Path) -> Iterator[Publication]:
    """Derive a publication from a sealed store, whose every byte is compared with its manifest first.

    Documents are made in a folder that is gone when the block ends; files of the store stay where they are.

    Raises
    ------
    StoreError, ValidationError
        If the store is not whole or not valid.
    """
    with store.open(path, verify="checksums") as tree:
        manifest = manifest_of.read_manifest(path)
        folder = Path(tempfile.mkdtemp(prefix="saegeom-publish-"))
        try:
            _write_documents(tree, manifest, folder)
            made = dict(manifest_of.files_in(folder))
            files = {name: path / name for name in manifest["files"]} | made
            listed = dict(manifest["files"]) | {name: write.measured(file) for name, file in made.items()}
            facts = {
                "format_version": manifest["format_version"],
                "root": root_of(listed),
                # Of a store that was published before, the root of what was sealed, not of what was added then.
                "store_root": manifest.get("store_root", manifest["root"]),
                "files": listed,
            }
            yield Publication(files, facts | ({"sealed": manifest["sealed"]} if "sealed" in manifest else {}))
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _write_documents(tree: xr.DataTree, manifest: Mapping[str, Any], folder: Path) -> None:
    root, date = str(manifest.get("store_root", manifest["root"])), manifest.get("sealed")
    rows = write_tables(tree, folder)
    tables = {name: f"tables/{name}.parquet" for name in rows}
    described = {path: write.measured(folder / path) for path in tables.values()}
    documents = {
        "README.md": readme(tree, tables, max(rows.values(), default=0)),
        "LICENSES.md": licences(tree),
        "CITATION.cff": citation(tree, root, date),
        "croissant.json": croissant(tree, folder, described, root, date),
    }
    for name, text in documents.items():
        # One newline on every system, so that the same store has the same root hash.
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
