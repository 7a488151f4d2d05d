"""Examples on their way into a store: put down on disk as they come, and gathered in the order of features.

A source has examples in any order, and more of them than fit into memory. What is held here is the texts of tokens,
each once, and a few numbers of each example while these are put in order; tokens and activations lie in files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from uuid import uuid4

import numpy as np

from saegeom_data.data.examples import BINS, Example, examples_of, group_of_arrays
from saegeom_data.data.staging import DISK_FULL, Staging
from saegeom_data.data.write import shard_rows
from saegeom_data.errors import DataValueError, StoreError
from saegeom_data.labels.found import text_of
from saegeom_data.labels.vocabulary import running_texts
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

# Texts of tokens are all in memory, which a file whose texts are no tokens would fill.
_LARGEST_VOCABULARY = 2**24
_FEATURES_AT_ONCE = 1024
_OVER_TOKENS: Mapping[str, Any] = {"token": np.int32, "activation": np.float32, "attribution": np.float32}
_RECORD = np.dtype(
    [
        ("feature", np.int32),
        ("source", np.int32),
        ("strongest", np.float32),
        ("start", np.int64),
        ("length", np.int32),
        ("attributed", np.int32),
        *((name, np.float32) for name in BINS),
        # Hash of what tells it apart from others of its source, 0 for none, and where its place is written.
        ("key", np.uint64),
        ("place", np.int64),
    ]
)


class Spool:
    """Files of examples of one SAE, open for writing while it is a context, and read when it is not.

    Parameters
    ----------
    folder
        An empty folder.
    n_features
        Width of the SAE.
    """

    def __init__(self, folder: Path, n_features: int) -> None:
        self.folder = folder
        self.n_features = n_features
        self.n_examples = 0
        self.n_tokens = 0
        self.has_attribution = False
        self.texts: list[str] = []
        self._ids: dict[str, int] = {}
        self._n_settled = 0
        self._place = 0

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        names = (*_OVER_TOKENS, "examples", "places")
        # Appended to: it is opened once for a source, and once more for the examples that the SAE has already.
        self._files = {name: self._stack.enter_context((self.folder / name).open("ab")) for name in names}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, feature: int, example: Example, *, where: str = "", key: str = "") -> None:
        """Put an example down; ``where`` and ``key`` are its place in the source, and what tells it apart there.

        Raises
        ------
        DataValueError
            If there are more different tokens than any vocabulary has.
        """
        n_tokens = len(example.tokens)
        ids, base = self._ids, self._n_settled
        tokens = [ids.setdefault(text, base + len(ids)) for text in example.tokens]
        if len(ids) > _LARGEST_VOCABULARY:
            raise DataValueError(f"{where}: more than {_LARGEST_VOCABULARY} different tokens; expected a vocabulary")
        attribution = example.attribution
        self.has_attribution |= attribution is not None
        columns = {
            "token": tokens,
            "activation": example.activation,
            "attribution": np.full(n_tokens, np.nan) if attribution is None else attribution,
        }
        for name, values in columns.items():
            self._files[name].write(np.asarray(values, _OVER_TOKENS[name]).tobytes())
        bins = [getattr(example, name) for name in BINS]
        # JSON may hold half a surrogate pair, which UTF-8 refuses; replaced, two keys could become equal.
        digest = int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()) if key else 0
        strongest = float(np.max(example.activation))
        place = (self.n_tokens, n_tokens, example.attributed, *bins, digest, self._place)
        self._files["examples"].write(np.array((feature, example.source, strongest, *place), _RECORD).tobytes())
        line = f"{where}\n".encode("utf-8", "replace")
        self._files["places"].write(line)
        self._place += len(line)
        self.n_examples, self.n_tokens = self.n_examples + 1, self.n_tokens + n_tokens

    def settle(self, *, is_running: bool = False) -> None:
        """End a source: from here on tokens are of another one. Its texts are running text already, or become that."""
        own = [text_of(text) for text in self._ids]
        self.texts += own if is_running else running_texts(own)
        self._n_settled, self._ids = len(self.texts), {}

    def add_group(self, group: xr.Dataset) -> None:
        """Put down the examples of a group ``examples``, those of some features at a time, as a source that is over."""
        # Read once: each range of features below would read it again.
        group = group.assign(token_text=group["token_text"].load())
        for start in range(0, self.n_features, _FEATURES_AT_ONCE):
            for feature, listed in enumerate(examples_of(group, slice(start, start + _FEATURES_AT_ONCE)), start):
                for example in listed:
                    self.add(feature, example)
        self.settle(is_running=True)

    def group(self, sources: Sequence[Mapping[str, Any]]) -> xr.Dataset:
        """The ``examples`` group of all that was put down, those of a feature by source and the strongest first.

        Tokens and activations are lazy: they are gathered from the files for one shard at a time.

        Raises
        ------
        DataValueError
            If a source has an example twice.
        """
        records = self._records()
        self._refuse_twice(records)
        order = np.lexsort((-records["strongest"], records["source"], records["feature"]))
        counts = np.bincount(records["feature"], minlength=self.n_features)
        ordered = _Order(records["start"][order], np.concatenate([[0], np.cumsum(records["length"][order])]))
        columns = {name: records[name][order] for name in ("source", "attributed", *BINS)}
        names = [name for name in _OVER_TOKENS if name != "attribution" or self.has_attribution]
        over_tokens = {name: self._gathered(name, ordered) for name in names}
        return group_of_arrays(
            np.concatenate([[0], np.cumsum(counts)]),
            ordered.bounds,
            columns,
            {"attribution": None, **over_tokens},
            self.texts,
            sources,
        )

    def n_features_with_examples(self) -> int:
        """Features of which an example was put down."""
        return len(np.unique(self._records()["feature"]))

    def _records(self) -> Array:
        return np.memmap(self.folder / "examples", _RECORD, "r")

    def _gathered(self, name: str, order: _Order) -> Any:
        import dask.array as da

        dtype = np.dtype(_OVER_TOKENS[name])
        column = _Gathered(self.folder / name, dtype, order)
        _, shard = shard_rows(self.n_tokens, dtype.itemsize)
        # Named by itself: to be named by its content, all of it would be read.
        return da.from_array(column, shard, name=f"{name}-{uuid4().hex}", asarray=False, meta=np.array((), dtype))

    def _refuse_twice(self, records: Array) -> None:
        keyed = np.flatnonzero(records["key"])
        # Stable, so that of two the one that came first is named as the first.
        order = keyed[np.argsort(records["key"][keyed], kind="stable")]
        twice = np.flatnonzero(np.diff(records["key"][order]) == 0)
        if len(twice):
            first, second = (self._where(records["place"][order[twice[0] + offset]]) for offset in (0, 1))
            raise DataValueError(f"{second}: is there twice, first in {first}; fetch it again")

    def _where(self, place: int) -> str:
        with (self.folder / "places").open("rb") as file:
            file.seek(int(place))
            return file.readline().decode().rstrip("\n")


class _Order(NamedTuple):
    """Where examples begin in the files (examples,), and their bounds once they are in order (examples + 1)."""

    start: Array
    bounds: Array


class _Gathered:
    """A column over tokens, in order: an array whose slices are read from a file."""

    ndim = 1

    def __init__(self, file: Path, dtype: np.dtype[Any], order: _Order) -> None:
        self.file = file
        self.dtype = dtype
        self.order = order
        self.shape = (int(order.bounds[-1]),)

    def __getitem__(self, key: Any) -> Array:
        (place,) = key if isinstance(key, tuple) else (key,)
        begin, end, _ = place.indices(self.shape[0])
        start, bounds = self.order
        found = np.empty(end - begin, self.dtype)
        # As a plain array: a slice of a memmap is a memmap, which takes four times as long to make.
        held = np.asarray(np.memmap(self.file, self.dtype, "r"))
        first = int(np.searchsorted(bounds, begin, "right")) - 1
        last = int(np.searchsorted(bounds, end, "left"))
        for example in range(first, last):
            low, high = max(begin, int(bounds[example])), min(end, int(bounds[example + 1]))
            offset = int(start[example]) - int(bounds[example])
            found[low - begin : high - begin] = held[low + offset : high + offset]
        return found


@contextmanager
def scratch_beside(store: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty folder beside a store, on whose disk there is room, and remove it in the end.

    What a writer left that was killed is removed by the next one.

    Raises
    ------
    StoreError
        If it cannot be made, or the disk is full.
    """
    place = Path(os.path.realpath(store))
    try:
        staging = Staging.beside(place.with_name(f"{place.name}.examples"))
    except OSError as error:
        raise StoreError(f"{store}: no folder can be made beside it: {error.strerror}; copy it elsewhere") from error
    try:
        yield staging.folder
    except OSError as error:
        if error.errno in DISK_FULL:
            raise StoreError(f"{store}: {error.strerror}; nothing was kept, make room and start again") from error
        raise
    finally:
        staging.close()
