"""Codecs of zarr that hold what a chunk says of its size against what its array declares, before anything is unpacked.

What is packed may say that it fills memory, or fill it without saying so; its digest only tells that it was written so.
"""

from __future__ import annotations

import math
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import zarr
from zarr.codecs import BloscCodec, ShardingCodec, ZstdCodec
from zarr.registry import register_codec

from saegeom_data.remote.metadata_checks import LARGEST_CHUNK

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer

# The choice of codecs is that of the process, while arrays may be opened in several threads.
_CHOOSING = threading.RLock()
_BLOSC = struct.Struct("<4xIII")
_BLOSC_HEAD = 16
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# The longest head there is: magic, flags, window, a dictionary's number of 4 bytes and a size of 8.
_ZSTD_HEAD = 18


@contextmanager
def checked_codecs() -> Iterator[None]:
    """Let arrays of zarr that are opened inside unpack by the codecs of this module, whoever reads them later."""
    with _CHOOSING:
        chosen = {}
        for name, codec in (("blosc", CheckedBlosc), ("zstd", CheckedZstd), ("sharding_indexed", CheckedSharding)):
            register_codec(name, codec)
            chosen[f"codecs.{name}"] = f"{codec.__module__}.{codec.__qualname__}"
        with zarr.config.set(chosen):
            yield


class CheckedBlosc(BloscCodec):
    """Blosc, of which the head must say what the array declares and how many bytes there are."""

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        head = _head(chunk_bytes, _BLOSC_HEAD)
        expected = _declared(chunk_spec)
        unpacked, block, packed = _BLOSC.unpack(head) if len(head) == _BLOSC_HEAD else (-1, 0, 0)
        # Blosc trusts the number of packed bytes, and would read on behind them.
        if packed != len(chunk_bytes) or block > max(unpacked, 0):
            raise ValueError(f"a chunk of {len(chunk_bytes)} bytes says that it has {packed} in blocks of {block}")
        _refuse_other(unpacked, expected)
        return super()._decode_sync(chunk_bytes, chunk_spec)


class CheckedZstd(ZstdCodec):
    """Zstandard, of which the frame must say what the array declares."""

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        unpacked = _zstd_size(_head(chunk_bytes, _ZSTD_HEAD))
        if unpacked is None:
            raise ValueError("a chunk that is no zstd frame, or does not say how large it is unpacked")
        _refuse_other(unpacked, _declared(chunk_spec))
        return super()._decode_sync(chunk_bytes, chunk_spec)


class CheckedSharding(ShardingCodec):
    """Shards whose chunks are checked too where an array was sent to another process, which makes its codecs anew."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        with checked_codecs():
            super().__setstate__(state)


def _head(chunk_bytes: Buffer, n_bytes: int) -> bytes:
    return chunk_bytes[:n_bytes].to_bytes()


def _declared(chunk_spec: ArraySpec) -> int | None:
    """Bytes of an unpacked chunk; None for text, of which each takes another number."""
    itemsize = getattr(chunk_spec.dtype, "item_size", None)
    return None if itemsize is None else math.prod(chunk_spec.shape) * int(itemsize)


def _refuse_other(unpacked: int, expected: int | None) -> None:
    if expected is not None and unpacked != expected:
        raise ValueError(f"a chunk says that it unpacks to {unpacked:,} bytes, expected {expected:,} as declared")
    if unpacked > LARGEST_CHUNK:
        raise ValueError(f"a chunk says that it unpacks to {unpacked:,} bytes, expected at most {LARGEST_CHUNK:,}")


def _zstd_size(head: bytes) -> int | None:
    """Size of what a frame holds, from its head (RFC 8878, 3.1.1.1); None where it is not said."""
    if head[:4] != _ZSTD_MAGIC or len(head) < 6:
        return None
    flags = head[4]
    is_single = bool(flags >> 5 & 1)
    n_bytes = (1 if is_single else 0, 2, 4, 8)[flags >> 6]
    # Behind the flags: a byte of the window unless the frame is one segment, and a dictionary's number.
    start = 5 + (not is_single) + (0, 1, 2, 4)[flags & 3]
    field = head[start : start + n_bytes]
    if not n_bytes or len(field) < n_bytes:
        return None
    # Two bytes count from 256.
    return int.from_bytes(field, "little") + (256 if n_bytes == 2 else 0)
