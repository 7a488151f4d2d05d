"""A store in a zip archive, read where it lies: members are stored as they are, so that each is a byte range."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field

from saegeom_data.errors import StoreError
from saegeom_data.remote.files import SourceFile
from saegeom_data.remote.place import Place
from saegeom_data.remote.zip_members import member_file, read_directory


@dataclass(frozen=True)
class Archive:
    """The files inside a zip archive; used in the place of a :class:`Place`.

    Parameters
    ----------
    place
        Where the archive lies.
    file_
        The archive.
    directory
        Its members by name.
    """

    place: Place
    file_: SourceFile
    directory: Mapping[str, zipfile.ZipInfo] = field(repr=False)

    @property
    def address(self) -> str:
        """Address of the archive as the user gave it, without credentials."""
        return self.place.address

    @property
    def pinned(self) -> str:
        """Address of the archive, pinned to a commit."""
        return self.place.pinned

    @property
    def recorded(self) -> str:
        """The pinned address without credentials."""
        return self.place.recorded

    @property
    def revision(self) -> str | None:
        """Commit that the address was pinned to."""
        return self.place.revision

    def file(self, name: str, size: int) -> SourceFile:
        """Return a member whose size is known from elsewhere.

        Raises
        ------
        StoreError
            If it is not in the archive, or has another size.
        """
        found = self.lookup(name)
        if found is None or found.size != size:
            got = "no such member" if found is None else f"got {found.size} bytes"
            raise StoreError(f"{self.address}: {name}: {got}, expected {size} bytes; fetch the archive again")
        return found

    def lookup(self, name: str) -> SourceFile | None:
        """Find a member by its name; None where there is none."""
        member = self.directory.get(name)
        return None if member is None else member_file(self.file_, member)

    def files(self) -> dict[str, SourceFile | None]:
        """Every member by its name."""
        return {name: self.lookup(name) for name in self.directory if not name.endswith("/")}


def archive_at(place: Place) -> Archive | None:
    """Read the directory of the archive at a place; None if no file is there, or one of another kind.

    Raises
    ------
    StoreError
        If it is damaged, or a member is compressed, a link or named outside the archive.
    """
    if not place.is_named_like("zip"):
        return None
    file = place.lookup()
    return None if file is None else Archive(place, file, read_directory(file, "files of a store"))
