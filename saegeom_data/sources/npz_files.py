"""Directory of an npz file: a zip of npy members, which lie in it as they are, so that each is one byte range."""

from __future__ import annotations

import io
import math
import stat
import struct
import warnings
import zipfile
from typing import Any

import numpy as np

from saegeom_data.errors import StoreError
from saegeom_data.sources.files import SourceFile, reason
from saegeom_data.sources.tensors import FortranTensor, StoredTensor, Tensor, Weights

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_MAGIC = 10
_LARGEST_HEADER = 65_536
_BUFFER = 4096
_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read(file: SourceFile) -> Weights:
    """Read the zip directory and the header of each member.

    Raises
    ------
    StoreError
        If the zip is damaged or half-written, a member is compressed, encrypted, a link, named outside the archive or
        not an array of numbers, or claims another size than it has.
    """
    ranges = _Ranges(file)
    try:
        with zipfile.ZipFile(io.BufferedReader(ranges, _BUFFER)) as archive:
            members = archive.infolist()
    except Exception as error:  # zipfile lets struct.error, NotImplementedError and others through
        if ranges.error is not None:
            raise ranges.error from None
        raise StoreError(
            f"{file.name}: not a zip of arrays, or half-written: {reason(error)}; fetch it again"
        ) from error
    names = [member.filename for member in members]
    if len(set(names)) != len(names):
        raise StoreError(f"{file.name}: a member stands twice in it; expected one array a name")
    tensors = {member.filename.removesuffix(".npy"): _member(file, member) for member in members}
    return Weights(tensors, {})


def read_npy(file: SourceFile) -> Weights:
    """Read the header of a single array, named ``decoder``."""
    return Weights({"decoder": _array(file, file.name, 0, file.size)}, {})


class _Ranges(io.RawIOBase):
    """A source file as zipfile wants it; every read is one range."""

    def __init__(self, file: SourceFile) -> None:
        self._file, self._at = file, 0
        # zipfile takes an error of reading for a file that is no zip.
        self.error: StoreError | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        if self._at < 0:
            raise ValueError("seek before the start")
        return self._at

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read(self._at, max(self._at, min(self._at + len(buffer), self._file.size)))
        except StoreError as error:
            self.error = error
            raise
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _member(file: SourceFile, member: zipfile.ZipInfo) -> Tensor:
    where = f"{file.name}: {member.filename[:80]}"
    parts = member.filename.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or ":" in parts[0] or stat.S_ISLNK(member.external_attr >> 16):
        raise StoreError(
            f"{where}: a link, or a path out of the archive; nothing was read, get the file from its source"
        )
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 or member.compress_size != member.file_size:
        raise StoreError(
            f"{where}: compressed or encrypted ({member.compress_size} bytes for {member.file_size}), so that it cannot"
            " be read by range; save it with numpy.savez"
        )
    if not 0 <= member.header_offset <= file.size - _LOCAL_HEADER.size:
        raise StoreError(f"{where}: lies outside the file; half-written, fetch it again")
    local = file.read(member.header_offset, member.header_offset + _LOCAL_HEADER.size)
    signature, name, extra = _LOCAL_HEADER.unpack(local)
    start = member.header_offset + _LOCAL_HEADER.size + name + extra
    if signature != b"PK\x03\x04" or start + member.file_size > file.size:
        raise StoreError(f"{where}: not where the zip directory says; half-written or wrong, fetch it again")
    return _array(file, where, start, member.file_size)


def _array(file: SourceFile, where: str, start: int, size: int) -> Tensor:
    header = io.BytesIO(file.read(start, start + min(size, _MAGIC)))
    try:
        version = np.lib.format.read_magic(header)
        wide = version != (1, 0)
        field = file.read(start + 8, start + (12 if wide else 10))
        length = int.from_bytes(field, "little")
        if version not in _READERS or not 0 < length <= min(_LARGEST_HEADER, size):
            raise ValueError(f"version {version} with a header of {length} bytes")
        begin = 8 + len(field)
        text = io.BytesIO(field + file.read(start + begin, start + begin + length))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, fortran, dtype = _READERS[version](text)
    except StoreError:
        raise
    except Exception as error:  # numpy evaluates a literal, which raises errors of every kind
        raise StoreError(f"{where}: not an npy array: {reason(error)}; fetch it again") from error
    if dtype.hasobject or dtype.kind not in "fiub":
        raise StoreError(f"{where}: got dtype {dtype}, expected numbers; arrays of objects are pickles and never read")
    expected = begin + length + math.prod(shape) * dtype.itemsize
    if expected != size:
        raise StoreError(
            f"{where}: got {size} bytes, shape {shape} of {dtype} takes {expected}; half-written or wrong,"
            " fetch it again"
        )
    stored = StoredTensor(file, start + begin + length, shape[::-1] if fortran else shape, dtype)
    return FortranTensor(stored) if fortran and len(shape) > 1 else stored
