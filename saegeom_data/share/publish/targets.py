"""Where stores are published to on this machine: a folder, or one deterministic zip archive."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from saegeom_data.data import manifest_of, write
from saegeom_data.data.staging import Staging, refuse_existing, refuse_inside_store
from saegeom_data.errors import Problem, StoreError
from saegeom_data.remote.manifest import MANIFEST
from saegeom_data.share.publish.publication import Publication

Sent = Callable[[str], None]
# The earliest date that a zip can state.
_EARLIEST = (1980, 1, 1, 0, 0, 0)


class Target(Protocol):
    """A place that a store is published to.

    Nothing that is published there already is ever changed. Until the manifest is written, which is last, what is there
    does not open.
    """

    address: str

    def manifest(self) -> Mapping[str, Any] | None:
        """Return the manifest of what is published there; None if nothing is."""

    def missing(self, publication: Publication) -> list[str]:
        """Names of files that are yet to be sent; raises if something else is there."""

    def send(self, publication: Publication, names: Iterable[str], sent: Sent) -> None:
        """Send files; calls ``sent`` with the name of each."""

    def finish(self, publication: Publication) -> str:
        """Compare what arrived with the manifest, write that, and return the pinned address."""


class Folder:
    """A folder of this machine, written beside its place and renamed."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._path = Path(address)
        refuse_inside_store(self._path)

    def manifest(self) -> Mapping[str, Any] | None:
        """Return the manifest of what is published there; None if nothing is."""
        if not os.path.lexists(self._path):
            return None
        if not (self._path / MANIFEST).is_file():
            refuse_existing(self._path)
        return manifest_of.read_manifest(self._path)

    def missing(self, publication: Publication) -> list[str]:
        """Names of files that no earlier attempt has copied."""
        staging = self._staging(publication)
        return [
            name
            for name, facts in publication.manifest["files"].items()
            if not (staging / name).is_file() or write.measured(staging / name) != facts
        ]

    def send(self, publication: Publication, names: Iterable[str], sent: Sent) -> None:
        """Copy files into the staging folder, each whole or not at all."""
        staging = self._staging(publication)
        for name in names:
            target = staging / name
            target.parent.mkdir(parents=True, exist_ok=True)
            # Of a name of its own: two publishers of the same content share the staging folder.
            partial = target.with_name(f"{uuid.uuid4().hex}.partial")
            try:
                shutil.copyfile(publication.files[name], partial)
                os.replace(partial, target)
            except OSError:
                with contextlib.suppress(OSError):
                    partial.unlink()
                raise
            sent(name)

    def finish(self, publication: Publication) -> str:
        """Read everything again, and rename the staging folder."""
        staging = self._staging(publication)
        for name, file in manifest_of.files_in(staging):
            # Halves of files that a killed publisher left behind.
            if name not in publication.files:
                file.unlink()
        _write_synced(staging / MANIFEST, publication.manifest_text())
        # What was copied is read again, so that a faulty disk is found before anybody relies on the copy.
        _refuse(manifest_of.manifest_problems(staging, checksums=True), staging)
        refuse_existing(self._path)
        # Last, so that the folder appears whole; the manifest in it is on the disk by now.
        os.rename(staging, self._path)
        return self.address

    def _staging(self, publication: Publication) -> Path:
        # Named for what is in it: another attempt at the same content goes on with it, other content cannot.
        return self._path.with_name(f"{self._path.name}.staging-{publication.root[:16]}")


class ZipFile:
    """One archive, of the same bytes whenever and wherever it is made: members sorted, stored and undated."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._path = Path(address)
        refuse_inside_store(self._path)

    def manifest(self) -> Mapping[str, Any] | None:
        """Return the manifest of what is in the archive; None if there is none."""
        return manifest_of.read_manifest(self._path) if os.path.lexists(self._path) else None

    def missing(self, publication: Publication) -> list[str]:
        """Return all names: an archive is written at once."""
        return sorted(publication.files)

    def send(self, publication: Publication, names: Iterable[str], sent: Sent) -> None:
        """Write the archive beside its place, and remove what killed publishers left there."""
        self._staging = Staging.beside(self._path)
        # Stored, as members that are compressed cannot be read by range; chunks are compressed already.
        with self._discarded_on_failure(), zipfile.ZipFile(self._staging.content, "w", zipfile.ZIP_STORED) as archive:
            for name in names:
                self._add(archive, name, publication.files[name])
                sent(name)
            archive.writestr(_undated(MANIFEST), publication.manifest_text())

    def finish(self, publication: Publication) -> str:
        """Read everything again, and give the archive its name if nothing has it."""
        with self._discarded_on_failure():
            _refuse(manifest_of.manifest_problems(self._staging.content, checksums=True), self._staging.content)
            # A link fails where something has the name already; a rename would replace it.
            try:
                os.link(self._staging.content, self._path)
            except FileExistsError:
                refuse_existing(self._path)
        self._staging.close()
        return self.address

    @contextlib.contextmanager
    def _discarded_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._staging.close()
            raise

    @staticmethod
    def _add(archive: zipfile.ZipFile, name: str, file: Path) -> None:
        about = _undated(name)
        about.file_size = file.stat().st_size  # from which zipfile tells whether 32 bits are enough
        with file.open("rb") as source, archive.open(about, "w") as member:
            shutil.copyfileobj(source, member, 2**20)


def _undated(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _EARLIEST)
    # As made on Unix, with its permissions, whatever the machine.
    member.create_system, member.external_attr = 3, 0o644 << 16
    return member


def _write_synced(path: Path, data: bytes) -> None:
    # Without fsync a crash may keep the rename and lose what was written before it.
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _refuse(problems: Iterable[Problem], where: Path) -> None:
    found = [problem.inside(where) for problem in problems]
    if found:
        raise StoreError(*found)
