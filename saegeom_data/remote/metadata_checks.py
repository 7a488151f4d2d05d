"""The arrays that the metadata of a store declares: refused where no memory holds them or nothing stands behind them.

Everything is told from ``zarr.json`` and the sizes of files, before any array is opened: what opens it would read the
coordinates, and make a task for each chunk.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saegeom_data.errors import Problem

METADATA = "zarr.json"
LARGEST_METADATA = 256 * 2**20
# Also of text, which has no size of its own. Chunks are about 1 MiB, and shards 64 MiB, in stores that this package
# writes.
LARGEST_CHUNK = 2**30
# Each chunk is a task of dask and a request to a server, however small it is.
_MOST_SMALL_CHUNKS, _SMALL_CHUNK = 2**16, 2**16
# An array of zeros packs to 1/7,000 in chunks of 1 MiB.
_MOST_UNPACKED, _LARGE_ARRAY = 100_000, 2**30
_MOST_NODES = 100_000
_MOST_DIMS = 32
_CODECS = ("blosc", "bytes", "crc32c", "transpose", "vlen-utf8", "zstd")
_CHUNK_FILE = re.compile(r"(?:(.*)/)?c(?:[./]\d+)*")
_REWRITE = "write it with saegeom_data.write_tree"


def metadata_problems(
    text: bytes, sizes: Mapping[str, int], nodes: Callable[[], Mapping[str, bytes]], *, sealed: bool
) -> list[Problem]:
    """Collect what is absurd in the metadata of a store.

    Parameters
    ----------
    text
        ``zarr.json`` of the root.
    sizes
        Bytes of each file, by its name in the store.
    nodes
        Gives ``zarr.json`` of each group and array, by its path; called for a hierarchy whose metadata is not
        consolidated.
    sealed
        Whether ``sizes`` are those of a manifest, which lists every chunk.
    """
    try:
        root = json.loads(text)
        if (root.get("consolidated_metadata") or {}).get("metadata") is None:
            declared = [each for path, node in nodes().items() for each in _declared(path, json.loads(node))]
        else:
            declared = list(_declared("", root))
    except (ValueError, AttributeError, TypeError, RecursionError):
        return [Problem(METADATA, "not a zarr v3 store: its metadata cannot be read; restore it from its source")]
    if len(declared) > _MOST_NODES:
        return [Problem(METADATA, f"got {len(declared):,} groups and arrays, expected at most {_MOST_NODES:,}")]
    stored: dict[str, list[int]] = defaultdict(list)
    for name, size in sizes.items():
        if found := _CHUNK_FILE.fullmatch(name):
            stored[found[1] or ""].append(size)
    problems = []
    for path, node in declared:
        if isinstance(node, dict) and node.get("node_type") == "array":
            message = _wrong(node, stored.get(path.strip("/"), ()), sealed)
            if message:
                problems.append(Problem(f"/{path.strip('/')}", message))
    return problems


def _declared(path: str, node: Any) -> Iterator[tuple[str, Any]]:
    """Path and metadata of a group or array, and of those that it repeats, which zarr believes at any depth."""
    yield path, node
    if isinstance(node, dict):
        for name, inner in ((node.get("consolidated_metadata") or {}).get("metadata") or {}).items():
            yield from _declared(f"{path}/{name}", inner)


def _wrong(node: Mapping[str, Any], stored: Sequence[int], sealed: bool) -> str:
    """What is absurd in an array; empty if nothing is."""
    try:
        array = _Array.of(node)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return "not the metadata of an array of zarr v3; restore it from its source"
    return next(_complaints(array, stored, sealed), "")


@dataclass(frozen=True)
class _Array:
    """What the metadata of an array declares; ``outer`` are the chunks that are files, ``inner`` those in them."""

    shape: tuple[int, ...]
    outer: tuple[int, ...]
    inner: tuple[int, ...]
    itemsize: int
    codecs: tuple[str, ...]

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> _Array:
        outer = inner = tuple(map(_whole, node["chunk_grid"]["configuration"]["chunk_shape"]))
        codecs = node["codecs"]
        names = [codec["name"] for codec in codecs]
        if names == ["sharding_indexed"]:
            settings = codecs[0]["configuration"]
            inner = tuple(map(_whole, settings["chunk_shape"]))
            names = [codec["name"] for codec in [*settings["codecs"], *settings["index_codecs"]]]
        shape = tuple(map(_whole, node["shape"]))
        if not len(shape) == len(outer) == len(inner) <= _MOST_DIMS or 0 in (*outer, *inner):
            raise ValueError
        if any(whole % part for whole, part in zip(outer, inner, strict=True)):
            raise ValueError
        return cls(shape, outer, inner, _itemsize(node["data_type"]), tuple(names))

    @property
    def n_files(self) -> int:
        return _n_chunks(self.shape, self.outer)

    @property
    def n_chunks(self) -> int:
        return self.n_files * _n_chunks(self.outer, self.inner)

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.itemsize

    @property
    def chunk_nbytes(self) -> int:
        return math.prod(self.inner) * self.itemsize


def _complaints(array: _Array, stored: Sequence[int], sealed: bool) -> Iterator[str]:
    for name in array.codecs:
        if name not in _CODECS:
            yield f"packed by {name!r}, expected one of {', '.join(_CODECS)}; {_REWRITE}"
    if array.chunk_nbytes > LARGEST_CHUNK:
        yield f"a chunk of {array.chunk_nbytes:,} bytes unpacked, expected at most {LARGEST_CHUNK:,}; {_REWRITE}"
    if array.n_chunks > _MOST_SMALL_CHUNKS and array.chunk_nbytes < _SMALL_CHUNK:
        yield f"{array.n_chunks:,} chunks of {array.chunk_nbytes:,} bytes, expected chunks of about 1 MiB; {_REWRITE}"
    if array.nbytes > max(_LARGE_ARRAY, _MOST_UNPACKED * sum(stored)):
        yield f"{array.nbytes:,} bytes that {sum(stored):,} stored bytes are said to unpack to; get it from its source"
    if sealed and len(stored) != array.n_files:
        yield f"got {len(stored):,} chunks in the manifest, expected {array.n_files:,} of its shape; fetch it again"


def _n_chunks(shape: Sequence[int], chunk: Sequence[int]) -> int:
    return math.prod(-(-size // step) for size, step in zip(shape, chunk, strict=True))


def _whole(value: Any) -> int:
    # Neither true nor 3.0, which Python would compute with, nor what overflows where numpy multiplies shapes.
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError
    return value


def _itemsize(data_type: Any) -> int:
    """Bytes of a value in memory."""
    if isinstance(data_type, dict):
        settings = data_type.get("configuration", {})
        return _whole(settings.get("length_bytes", settings.get("item_size", 8)))
    if data_type == "bool":
        return 1
    if data_type in ("string", "variable_length_utf8", "variable_length_bytes"):
        return 16
    bits = re.fullmatch(r"(?:u?int|float|complex|r)(\d{1,5})", data_type)
    if bits is None:
        raise ValueError
    return max(1, int(bits[1]) // 8)
