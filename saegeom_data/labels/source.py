"""Where labels come from: the files at an address, read whole and checksummed, with their lines and JSON checked."""

from __future__ import annotations

import copy
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from saegeom_data.errors import DataValueError, SaegeomError, StoreError
from saegeom_data.remote.files import SourceFile, reason
from saegeom_data.remote.manifest import root_of
from saegeom_data.remote.place import Place, place_at

# Read whole and parsed: without a limit a file from elsewhere could fill memory.
_LARGEST = 2**30
_PIECE_BYTES = 2**23


class LabelSource:
    """The files at an address that labels are read from.

    Parameters
    ----------
    address
        File or folder of this machine, ``s3://``, ``https://`` or ``hf://``.

    Raises
    ------
    StoreError, ParameterError, MissingDependencyError
        As :func:`saegeom_data.remote.place.place_at`.
    """

    def __init__(self, address: str) -> None:
        self.place: Place = place_at(address)
        self._listed = self.place.files()
        self._asked: dict[str, SourceFile | None] = {}
        self._read: dict[str, dict[str, Any]] = {}

    def anew(self) -> LabelSource:
        """The same files, of which none is read yet."""
        other = copy.copy(self)
        other._read = {}
        return other

    @property
    def address(self) -> str:
        """The address, pinned to a commit where it has one."""
        return self.place.recorded

    @property
    def is_file(self) -> bool:
        """Whether the address is that of one file."""
        # One file alone is listed under an empty name.
        return self._listed is not None and list(self._listed) == [""]

    @property
    def name(self) -> str:
        """Last name of the address."""
        return PurePosixPath(self.place.recorded.rstrip("/")).name

    @property
    def names(self) -> list[str]:
        """Names of all files; none for a web server, which cannot list a folder."""
        return sorted(self._listed or ())

    def has(self, name: str) -> bool:
        """Whether there is a file of that name; asks a web server."""
        return self._found(name) is not None

    def _found(self, name: str) -> SourceFile | None:
        if self._listed is not None:
            return self._listed.get(name)
        if name not in self._asked:
            self._asked[name] = self.place.lookup(name)
        return self._asked[name]

    def file(self, name: str) -> SourceFile:
        """Return a file by its name.

        Raises
        ------
        StoreError
            If there is none.
        """
        file = self._found(name)
        if file is None:
            raise StoreError(f"{self.address}/{name}: no such file; check the address")
        return file

    def shown(self, name: str) -> str:
        """What messages call a file."""
        file = self._found(name)
        return name or self.address if file is None else file.shown

    def read(self, name: str) -> bytes:
        """Read a file whole.

        Raises
        ------
        StoreError
            If there is none, it is too large or cannot be read.
        """
        file = self.file(name)
        if file.size > _LARGEST:
            raise StoreError(f"{file.shown}: got {file.size} bytes, expected a file of labels of at most {_LARGEST}")
        data = file.read(0, file.size)
        self._read[name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        return data

    def text(self, name: str) -> str:
        """Read a file of text in UTF-8.

        Raises
        ------
        StoreError, DataValueError
            If it cannot be read, or is not UTF-8.
        """
        return _decoded(self.read(name), self.shown(name))

    def json(self, name: str) -> Any:
        """Read a file that is one JSON value.

        Raises
        ------
        StoreError, DataValueError
            If it cannot be read, or is not JSON.
        """
        return _parsed(self.text(name), self.shown(name))

    def objects(self, name: str, most: int = _LARGEST) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield place and object of each line of a file of JSON lines, compressed with gzip if its name ends so.

        Only a piece of the file and one line are held at a time. ``most`` bounds its bytes once unpacked: a small file
        can unpack to any size.

        Raises
        ------
        StoreError
            If it cannot be read, or was cut short.
        DataValueError
            If a line is no JSON object in UTF-8.
        """
        file, shown = self.file(name), self.shown(name)
        pieces = _Pieces(file)
        stream: io.BufferedIOBase = io.BufferedReader(pieces, _PIECE_BYTES)
        if name.endswith(".gz"):
            stream = gzip.GzipFile(fileobj=stream)
        number, left = 0, most
        while line := _line(stream, left, most, shown):
            number, left = number + 1, left - len(line)
            if line.strip():
                where = f"{shown}, line {number}"
                value = _parsed(_decoded(line, where), where)
                if not isinstance(value, dict):
                    raise DataValueError(
                        f"{where}: got a JSON {type(value).__name__}, expected an object; fetch it again"
                    )
                yield where, value
        # Only now, as the checksum of a part would be that of no file.
        self._read[name] = {"size": file.size, "sha256": pieces.found.hexdigest()}

    @property
    def sha256(self) -> str:
        """Checksum of what was read: of the file where it is one, else of the names, sizes and checksums of all."""
        return str(self._read[""]["sha256"]) if "" in self._read else root_of(self._read)


class _Pieces(io.RawIOBase):
    """A file that is read from its beginning to its end, piece by piece, and its checksum so far."""

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.place = 0
        self.found = hashlib.sha256()

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next piece into a buffer, and return its length."""
        data = self.file.read(self.place, min(self.place + len(buffer), self.file.size))
        buffer[: len(data)] = data
        self.place += len(data)
        self.found.update(data)
        return len(data)


def _line(stream: io.BufferedIOBase, left: int, most: int, shown: str) -> bytes:
    """Next line of a stream, of which ``left`` bytes of ``most`` are allowed still."""
    allowed = min(left, _LARGEST)
    try:
        # One byte more tells of a line that is longer, however long it is.
        line = stream.readline(allowed + 1)
    except SaegeomError:
        # Of a read, which says itself what went wrong.
        raise
    except (EOFError, OSError, zlib.error) as error:
        raise StoreError(f"{shown}: cannot be unpacked: {reason(error)}; it was cut short, fetch it again") from error
    if len(line) > allowed:
        raise StoreError(f"{shown}: more than {most} bytes once unpacked, or in one line; expected a file of labels")
    return line


def _decoded(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataValueError(f"{where}: not UTF-8 at byte {error.start}; convert it, or fetch it again") from error


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataValueError(f"{where}: not readable as JSON: {reason(error)}; fetch it again") from error
