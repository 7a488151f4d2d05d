"""Directory of a safetensors file: eight bytes of length, a JSON header, then the tensors one after the other."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from saegeom_data.checkpoints.weights.tensors import StoredTensor, Tensor, UnreadTensor, Weights
from saegeom_data.errors import StoreError
from saegeom_data.remote.files import SourceFile, reason, refuse_unprintable

_LENGTH = 8
# The limit of the format itself: a wrong length must not make a gigabyte of JSON of weights.
_LARGEST_HEADER = 100_000_000
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip


def read(file: SourceFile) -> Weights:
    """Read the header and check it against the size of the file.

    Raises
    ------
    StoreError
        If the header is no header, or its tensors do not fill the file exactly: they lie over one another, leave
        holes, reach beyond the end (the file is half-written), or have another size than shape and dtype say.
    """
    if file.size < _LENGTH:
        raise StoreError(f"{file.shown}: got {file.size} bytes, expected a safetensors file; fetch it again")
    length = int.from_bytes(file.read(0, _LENGTH), "little")
    if not 2 <= length <= min(_LARGEST_HEADER, file.size - _LENGTH):
        raise StoreError(
            f"{file.shown}: its header would take {length} bytes of {file.size}; not a safetensors file, or"
            " half-written: fetch it again"
        )
    header = _parse(file, file.read(_LENGTH, _LENGTH + length))
    metadata = header.pop("__metadata__", {})
    start = _LENGTH + length
    tensors: dict[str, Tensor] = {}
    end = 0
    # In order of their places: each must begin where the one before ends, or bytes would be read twice or by nobody.
    for name, entry in sorted(header.items(), key=lambda item: _offsets(file, *item)):
        first, last = _offsets(file, name, entry)
        tensors[name] = _tensor(file, name, entry, start)
        if first != end:
            raise StoreError(
                f"{file.shown}: {name}: starts at byte {first}, expected {end}; the header is wrong, fetch it again"
            )
        end = last
    if start + end != file.size:
        raise StoreError(
            f"{file.shown}: got {file.size} bytes, its header says {start + end}; half-written, fetch it again"
        )
    return Weights(tensors, metadata if isinstance(metadata, dict) else {})


def _parse(file: SourceFile, data: bytes) -> dict[str, Any]:
    # json alone keeps the last of two entries of one name, and says nothing.
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("it has a duplicate name")
        return found

    try:
        header = json.loads(data, object_pairs_hook=unique)
        if not isinstance(header, dict):
            raise ValueError("not an object of tensors")
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{file.shown}: its header is not readable: {reason(error)}; fetch it again") from error
    # Names stand in messages, which control characters would split, and reach terminals.
    refuse_unprintable(file.shown, header)
    return header


def _offsets(file: SourceFile, name: str, entry: Any) -> tuple[int, int]:
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not (
        isinstance(offsets, list) and len(offsets) == 2 and all(map(_is_size, offsets)) and offsets[0] <= offsets[1]
    ):
        raise StoreError(f"{file.shown}: {name[:80]}: got offsets {offsets!r:.80}, expected two; fetch it again")
    return offsets[0], offsets[1]


def _tensor(file: SourceFile, name: str, entry: dict[str, Any], start: int) -> Tensor:
    first, last = _offsets(file, name, entry)
    shape, dtype = entry.get("shape"), _dtype(entry.get("dtype"))
    got = f"dtype {entry.get('dtype')!r:.20}, shape {shape!r:.80}"
    problem = f"{file.shown}: {name[:80]}: got {got}; expected one of BF16, {', '.join(_DTYPES)}, and sizes"
    if not isinstance(shape, list) or len(shape) > 8 or not all(map(_is_size, shape)):
        raise StoreError(problem)
    if dtype is None:
        return UnreadTensor(tuple(shape), problem)
    if math.prod(shape) * dtype.itemsize != last - first or start + last > file.size:
        raise StoreError(
            f"{file.shown}: {name[:80]}: {math.prod(shape) * dtype.itemsize} bytes by its shape, {last - first} by its"
            f" offsets, in a file of {file.size}; half-written or wrong, fetch it again"
        )
    return StoredTensor(file, start + first, tuple(shape), dtype)


def _dtype(name: Any) -> np.dtype[Any] | None:
    # numpy has no bfloat16 of its own.
    if name == "BF16":
        import ml_dtypes

        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(_DTYPES[name]) if isinstance(name, str) and name in _DTYPES else None


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
