"""Directory of an npz file: a zip of npy members, which lie in it as they are, so that each is one byte range."""

from __future__ import annotations

import io
import math
import warnings
import zipfile

import numpy as np

from saegeom_data.checkpoints.weights.tensors import FortranTensor, StoredTensor, Tensor, UnreadTensor, Weights
from saegeom_data.errors import StoreError
from saegeom_data.remote.files import SourceFile, reason
from saegeom_data.remote.zip_members import member_file, read_directory

# The magic string, two bytes of version, and the length of the header in two bytes (version 1) or four (later ones).
_MAGIC = 10
# numpy evaluates the header as a literal, which is not safe for a long one: what a damaged file claims must not decide.
_LARGEST_HEADER = 65_536
_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read(file: SourceFile) -> Weights:
    """Read the zip directory and the header of each member.

    Raises
    ------
    StoreError
        If the zip is damaged or half-written, a member is compressed, encrypted, a link or named outside the archive,
        or an array claims another size than it has.
    """
    members = read_directory(file, "arrays")
    arrays = {name.removesuffix(".npy"): member for name, member in members.items() if name.endswith(".npy")}
    return Weights({name: _member(file, member) for name, member in arrays.items()}, {})


def read_npy(file: SourceFile) -> Weights:
    """Read the header of a single array, named ``decoder``."""
    return Weights({"decoder": _array(file, file.shown, 0, file.size)}, {})


def _member(file: SourceFile, member: zipfile.ZipInfo) -> Tensor:
    found = member_file(file, member)
    return _array(found, found.shown, 0, found.size)


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
        # Headers that Python 2 wrote warn, and read well.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, fortran, dtype = _READERS[version](text)
    except StoreError:
        raise
    except Exception as error:  # numpy evaluates a literal, which raises errors of every kind
        raise StoreError(f"{where}: not an npy array: {reason(error)}; fetch it again") from error
    if dtype.hasobject or dtype.kind not in "fiub":
        problem = f"{where}: got dtype {dtype}, expected numbers; arrays of objects are pickles and never read"
        return UnreadTensor(shape, problem)
    # A float128 is the 80-bit number of one kind of machine, which others read as something else.
    if dtype.kind == "f" and dtype.itemsize > 8:
        return UnreadTensor(
            shape, f"{where}: got dtype {dtype}, expected floats of 8 bytes at most; save it as float64"
        )
    expected = begin + length + math.prod(shape) * dtype.itemsize
    if expected != size:
        raise StoreError(
            f"{where}: got {size} bytes, shape {shape} of {dtype} takes {expected}; half-written or wrong,"
            " fetch it again"
        )
    # Column by column is row by row of the transpose, of which byte ranges are whole rows.
    stored = StoredTensor(file, start + begin + length, shape[::-1] if fortran else shape, dtype)
    return FortranTensor(stored) if fortran and len(shape) > 1 else stored
