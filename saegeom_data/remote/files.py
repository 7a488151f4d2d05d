"""Files of a checkpoint, wherever they lie: read by byte range, told apart by their place, never copied whole."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from saegeom_data.errors import StoreError
from saegeom_data.remote import systems
from saegeom_data.remote.retries import TRIES, ShortAnswerError, cause, may_pass, tried

if TYPE_CHECKING:
    import numpy as np

_LARGEST_CONFIG = 16 * 2**20
# A pointer of git-lfs is a few lines, of which this is the first.
_POINTER, _LARGEST_POINTER = b"version https://git-lfs.github.com/spec/", 1024
_PIECE_BYTES = 8 * 2**20


@dataclass(frozen=True)
class SourceFile:
    """One file of a source.

    A task carries this rather than an open handle or a password: credentials are looked up where a range is read.

    Parameters
    ----------
    protocol
        Name of the fsspec file system: ``file``, ``s3``, ``https``.
    path
        What that file system reads.
    name
        Path inside the source, its own name first.
    size
        Bytes.
    sha256
        Where the source states it.
    etag
        Where the source states it.
    on_hub
        Whether it lies on the Hugging Face Hub, whose token is sent along.
    offset
        Where it begins in what lies at ``path``: a member of an archive.
    given
        Path of a file of this machine as it follows from what the user gave.
    """

    protocol: str
    path: str = field(repr=False)
    name: str
    size: int
    sha256: str | None = None
    etag: str | None = None
    on_hub: bool = False
    offset: int = 0
    given: str | None = None

    @property
    def shown(self) -> str:
        """What messages call it."""
        return self.given or self.name

    @property
    def is_local(self) -> bool:
        """Whether it can be mapped into memory."""
        return self.protocol == "file"

    @property
    def is_link(self) -> bool:
        """Whether it is a link to a file of this machine rather than one itself."""
        return self.is_local and os.path.islink(self.path)

    @property
    def suffix(self) -> str:
        """Ending of the name, in lower case."""
        return PurePosixPath(self.name).suffix.lower()

    def read(self, start: int, stop: int) -> bytes:
        """Read bytes ``start`` to ``stop``, and not one more.

        Raises
        ------
        StoreError
            If they cannot be read, all of them and no others.
        """
        with self._named_errors(start, stop):
            return tried(lambda: self._all_of(start, stop), is_remote=not self.is_local)

    def mapped(self, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any], key: Any) -> np.ndarray[Any, Any]:
        """Read a part of an array of a local file: the pages that it lies in."""
        import numpy as np

        with self._named_errors(offset, offset + math.prod(shape) * dtype.itemsize):
            # Copied out, so that no array keeps the map and with it the file open.
            return np.array(np.memmap(self.path, dtype, "r", self.offset + offset, shape)[key])

    def copy_to(self, target: Path) -> None:
        """Copy the whole file to a local path."""
        with self._named_errors(0, self.size):
            tried(lambda: self._copied(target), is_remote=not self.is_local)

    def digest(self) -> str | None:
        """Return the sha256 that the source states, or that of a local file; None for what would have to be fetched."""
        return self.sha256 if self.sha256 is not None or not self.is_local else self.computed_sha256()

    def computed_sha256(self) -> str:
        """Return the sha256 of the bytes themselves, each of which is read.

        Raises
        ------
        StoreError
            If they cannot be read.
        """
        found = hashlib.sha256()
        # Piece by piece, because files of weights exceed memory.
        for start in range(0, self.size, _PIECE_BYTES):
            found.update(self.read(start, min(start + _PIECE_BYTES, self.size)))
        return found.hexdigest()

    def _all_of(self, start: int, stop: int) -> bytes:
        """Read bytes ``start`` to ``stop``, all of them, once."""
        data = self._range(self.offset + start, self.offset + stop)
        if len(data) != stop - start:
            raise ShortAnswerError(f"got {len(data)} bytes for {start} to {stop}; the file was cut short")
        return data

    def _range(self, start: int, stop: int) -> bytes:
        """Read bytes ``start`` to ``stop`` of what lies at ``path``; fewer where it ends before."""
        if start == stop:
            return b""
        if self.is_local:
            with open(self.path, "rb") as stream:
                stream.seek(start)
                return stream.read(stop - start)
        system = systems.reading(self.protocol)
        if not self.protocol.startswith("http"):
            return bytes(systems.call(system, system._cat_file, self.path, start=start, end=stop, n_bytes=stop - start))
        # An open file stops reading when a server sends the whole of it instead of a range.
        # With the size, or fsspec would ask the server for it again before each range.
        options = {"size": self.offset + self.size, "block_size": stop - start, "cache_type": "none"} | self._headers()
        with system.open(self.path, "rb", **options) as stream:
            return bytes(systems.call(system, stream.async_fetch_range, start, stop, n_bytes=stop - start))

    def _copied(self, target: Path) -> None:
        """Copy the file once."""
        system = systems.reading(self.protocol)
        with systems.within(self.size) as limit:
            system.get_file(self.path, str(target), **({} if self.is_local else {"timeout": limit}), **self._headers())
        if self.offset == 0 and target.stat().st_size < self.size:
            raise ShortAnswerError(f"got {target.stat().st_size} bytes of {self.size}; the file was cut short")

    def _headers(self) -> dict[str, Any]:
        """Return headers for web servers: compressed answers would have other byte ranges."""
        if not self.protocol.startswith("http"):
            return {}
        headers = {"Accept-Encoding": "identity"}
        if self.on_hub:
            from huggingface_hub.utils import build_hf_headers

            headers |= build_hf_headers()
        return {"headers": headers}

    def _advice(self, error: Exception) -> str:
        if self.is_local:
            return "restore it from its source"
        return f"tried {TRIES} times, try again later" if may_pass(error) else "download it, and open it there"

    @contextmanager
    def _named_errors(self, start: int, stop: int) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except ShortAnswerError as error:
            raise StoreError(f"{self.shown}: {error}, fetch it again") from error
        # File systems raise what their client library does: botocore, aiohttp and others have roots of their own.
        except Exception as error:
            what = f"{self.shown}: bytes {start} to {stop} cannot be read"
            raise StoreError(f"{what}: {cause(error, self.path)}; {self._advice(error)}") from error


def read_json(file: SourceFile) -> dict[str, Any]:
    """Read a small JSON object.

    Raises
    ------
    StoreError
        If it is not an object, or not small.
    """
    return _settings(file, "JSON", json.loads)


def read_yaml(file: SourceFile) -> dict[str, Any]:
    """Read a small YAML mapping.

    Raises
    ------
    StoreError
        If it is not a mapping, or not small.
    """
    import yaml

    def parsed(data: bytes) -> Any:
        try:
            return yaml.safe_load(data)
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from error

    return _settings(file, "YAML", parsed)


def _settings(file: SourceFile, language: str, parse: Callable[[bytes], Any]) -> dict[str, Any]:
    # Read whole and parsed: without a limit a file from elsewhere could fill memory.
    if file.size > _LARGEST_CONFIG:
        raise StoreError(f"{file.shown}: got {file.size} bytes, expected a configuration of at most {_LARGEST_CONFIG}")
    refuse_pointer(file)
    try:
        value = parse(file.read(0, file.size))
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{file.shown}: not readable as {language}: {reason(error)}; fetch it again") from error
    if not isinstance(value, dict):
        raise StoreError(f"{file.shown}: got a {language} {type(value).__name__}, expected an object of settings")
    return value


def refuse_pointer(file: SourceFile) -> None:
    """Raise :class:`StoreError` for what git leaves in place of a large file that it did not fetch."""
    if len(_POINTER) < file.size < _LARGEST_POINTER and file.read(0, len(_POINTER)) == _POINTER:
        raise StoreError(f"{file.shown}: a pointer of git-lfs to the file, not the file itself; run git lfs pull")


def reason(error: BaseException) -> str:
    """Return the first line of an error's message, or its class where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(":. ") if lines else type(error).__name__


def refuse_unprintable(where: str, names: Iterable[str]) -> None:
    """Raise :class:`StoreError` for a name with control characters, before a message or a path is made from it.

    Examples
    --------
    >>> refuse_unprintable("weights.npz", ["W_dec", "b_dec"])
    """
    for name in names:
        if not name.isprintable():
            raise StoreError(f"{where}: holds a name with control characters, {name[:80]!r}; fetch it again")
