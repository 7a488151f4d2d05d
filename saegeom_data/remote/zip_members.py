"""Members of a zip archive that lie in it as they are, so that each is one byte range of the file."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from dataclasses import replace
from typing import Any

from saegeom_data.errors import StoreError
from saegeom_data.remote.files import SourceFile, reason, refuse_unprintable

_LOCAL_HEADER = struct.Struct("<4s22xHH")
# zipfile reads the directory a few bytes at a time, and each read would be a request of its own.
_BUFFER = 4096


def read_directory(file: SourceFile, what: str) -> dict[str, zipfile.ZipInfo]:
    """Read the directory of an archive of ``what``, such as ``"arrays"``: members by their names.

    Raises
    ------
    StoreError
        If the archive is damaged or half-written, or a member is compressed, encrypted, a link, named outside the
        archive or with control characters, or a duplicate.
    """
    ranges = _Ranges(file)
    try:
        with zipfile.ZipFile(io.BufferedReader(ranges, _BUFFER)) as archive:
            members = archive.infolist()
    except Exception as error:  # zipfile lets struct.error, NotImplementedError and others through
        if ranges.error is not None:
            raise ranges.error from None
        raise StoreError(
            f"{file.shown}: not a zip of {what}, or half-written: {reason(error)}; fetch it again"
        ) from error
    refuse_unprintable(file.shown, (member.filename for member in members))
    for member in members:
        _refuse_unsafe(file, member)
    found = {member.filename: member for member in members}
    # Readers disagree about which of two members of one name counts.
    if len(found) != len(members):
        raise StoreError(f"{file.shown}: duplicate member names; expected one member per name")
    return found


def member_file(file: SourceFile, member: zipfile.ZipInfo) -> SourceFile:
    """Find the bytes of a member by the header before them.

    Raises
    ------
    StoreError
        If they are not where the directory says.
    """
    where = _where(file, member)
    if not 0 <= member.header_offset <= file.size - _LOCAL_HEADER.size:
        raise StoreError(f"{where}: lies outside the file; half-written, fetch it again")
    # Its extra field may be longer than that in the directory, so only the header says where data begins.
    local = file.read(member.header_offset, member.header_offset + _LOCAL_HEADER.size)
    signature, name, extra = _LOCAL_HEADER.unpack(local)
    start = member.header_offset + _LOCAL_HEADER.size + name + extra
    if signature != b"PK\x03\x04" or start + member.file_size > file.size:
        raise StoreError(f"{where}: not where the zip directory says; half-written or wrong, fetch it again")
    return replace(file, name=where, given=where, size=member.file_size, offset=start, sha256=None, etag=None)


def _refuse_unsafe(file: SourceFile, member: zipfile.ZipInfo) -> None:
    where = _where(file, member)
    parts = member.filename.replace("\\", "/").split("/")
    # Names come from whoever made the archive, and are joined to paths.
    if ".." in parts or not parts[0] or ":" in parts[0] or stat.S_ISLNK(member.external_attr >> 16):
        raise StoreError(
            f"{where}: a link, or a path out of the archive; nothing was read, get the file from its source"
        )
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 or member.compress_size != member.file_size:
        raise StoreError(
            f"{where}: compressed or encrypted ({member.compress_size} bytes for {member.file_size}), so that it cannot"
            " be read by range; store its members uncompressed, as numpy.savez and saegeom publish do"
        )


def _where(file: SourceFile, member: zipfile.ZipInfo) -> str:
    return f"{file.shown}: {member.filename[:80]}"


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
