"""Shuffled batches of a store's activations for training, read shard by shard."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.data import group_kinds, schema
from saegeom_data.data.validation import refuse_other_than_tree
from saegeom_data.data.write import shard_rows
from saegeom_data.errors import (
    DataValueError,
    ParameterError,
    StoreError,
    UnknownNameError,
    ValidationError,
    require,
)
from saegeom_data.remote.files import reason
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import torch
    import xarray as xr


# Mixes about four shards of 64 MiB, and is small beside the memory of a machine that trains.
_BUFFER_BYTES = 256 * 2**20


def batches(
    tree: xr.DataTree,
    site: str,
    batch_size: int,
    seed: int = 0,
    *,
    n_epochs: int | None = 1,
    buffer_bytes: int = _BUFFER_BYTES,
    special_tokens: bool = False,
    drop_last: bool = False,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
) -> Iterator[torch.Tensor]:
    """Yield shuffled batches of the activations at a site, for training on more of them than fit into memory.

    Shards are read once an epoch in a random order, the next one while the last is used. Rows of a shard go in a random
    order through a buffer: every batch takes rows from random places in it, which the next rows fill. A row that comes
    in thus leaves after as many others, in the mean, as the buffer holds, most often sooner (the time is geometric), so
    that a batch mixes the shards of about as many rows as the buffer holds. The larger the buffer, the better the
    mixing; one as large as the data gives every order of rows the same probability.

    Parameters
    ----------
    tree
        Store with ``/activations/<site>``; with ``/tokens`` too unless ``special_tokens``. A tree in the layout of
        another tool is refused: :func:`saegeom_data.laid_out` puts it in order.
    site
        Name of the site: a child of ``/activations``.
    batch_size
        Rows of a batch.
    seed
        Seed of every order. The order depends on the stored shards, the seed and the parameters alone, not on how the
        arrays are chunked or on threads.
    n_epochs
        How often every row is given; without end if None.
    buffer_bytes
        Size of the buffer in bytes; at least a batch is held. Memory beside it: three shards, of 64 MiB mostly.
    special_tokens
        Give the tokens that the tokenizer added too, such as the first of a text, whose activations are often hundreds
        of times as large as others. Left out by default.
    drop_last
        Leave out the last batch of an epoch if it is smaller than the others. Its rows are others in every epoch.
    dtype, device
        Of the tensors; float32 by default.

    Yields
    ------
    torch.Tensor
        Activations (batch_size, hidden), in the model's units. Every row once an epoch.

    Raises
    ------
    ValidationError
        If activations are over other dims, or are no floating-point numbers.
    StoreError
        If the store has no activations, or no tokens of the same number to tell which are special.
    UnknownNameError
        If there is no such site.
    ParameterError
        If ``tree`` is no tree, a parameter is out of range, ``dtype`` is none of floating-point numbers, there is no
        such device, or there are fewer rows than a batch takes.
    DataValueError
        When a batch would hold NaN or infinity, also for values that ``dtype`` does not hold; names the row.
    MissingDependencyError
        If torch is not installed.

    Examples
    --------
    >>> import pytest
    >>> torch = pytest.importorskip("torch")
    >>> import saegeom_data, tempfile
    >>> from saegeom_data.testing.simulate import write_simulated_activations
    >>> path = tempfile.mkdtemp() + "/activations.zarr"
    >>> write_simulated_activations(path, n_tokens=1000, n_hidden=16)
    >>> tree = saegeom_data.open(path)
    >>> [tuple(batch.shape) for batch in saegeom_data.batches(tree, "hidden_state_0", 400)]
    [(400, 16), (400, 16), (192, 16)]
    """
    require("torch", "harvest")
    for name, value in {"batch_size": batch_size, "buffer_bytes": buffer_bytes, "n_epochs": n_epochs}.items():
        if value is None and name == "n_epochs":
            continue
        if value is None or not hasattr(value, "__index__") or value < 1:
            raise ParameterError(f"{name}: got {value!r}, expected at least 1, in whole numbers")
    if not hasattr(seed, "__index__") or seed < 0:
        raise ParameterError(f"seed: got {seed!r}, expected at least 0, in whole numbers")
    given = _checked_type(dtype, device)
    rows = _rows(tree, site, special_tokens)
    if rows.n < batch_size:
        raise ParameterError(
            f"batch_size: got {batch_size}, expected at most {rows.n}, the rows of /activations/{site}"
            f"{'' if special_tokens else ' that are no special tokens'}"
        )
    capacity = max(batch_size, buffer_bytes // rows.bytes)
    return _endless(rows, batch_size, capacity, seed, n_epochs, drop_last, given, device)


def _checked_type(dtype: Any, device: Any) -> torch.dtype:
    """The dtype of the tensors, after checking that torch makes them so."""
    import torch

    found = torch.float32 if dtype is None else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ParameterError(f"dtype: got {dtype!r}, expected one of torch with a floating point, as torch.float32")
    try:
        torch.empty(0, device=device)
    except Exception as error:  # torch raises RuntimeError, AssertionError and others
        raise ParameterError(
            f"device: got {device!r}, which torch cannot use: {reason(error)}; give another"
        ) from error
    return found


@dataclass(frozen=True)
class _Rows:
    """Rows of activations to give, and the shards in which they are read."""

    where: str
    activation: xr.DataArray
    special: Array
    shard: int

    @property
    def n(self) -> int:
        return int((~self.special).sum())

    @property
    def bytes(self) -> int:
        return max(1, int(self.activation.shape[1]) * int(np.dtype(self.dtype).itemsize))

    @property
    def dtype(self) -> Any:
        return np.result_type(self.activation.dtype, np.float32)

    def read(self, start: int) -> Array:
        """Rows of the shard that begins there, special tokens left out, in double or single precision."""
        stop = min(start + self.shard, len(self.special))
        # In one thread: what trains takes the other cores.
        values = self.activation[start:stop].data
        block = values.compute(scheduler="synchronous") if hasattr(values, "compute") else values
        kept = ~self.special[start:stop]
        block = np.asarray(block if kept.all() else block[kept], dtype=self.dtype)
        # A sum over a row is finite where the row is, but for overflow, which a second look tells apart.
        if not np.isfinite(block.sum(dtype=np.float64)):
            bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
            if len(bad):
                row = start + int(np.flatnonzero(kept)[bad[0]])
                raise DataValueError(
                    f"{self.where}: {len(bad)} rows with NaN or infinite values between {start} and {stop}, the first"
                    f" is {row}; harvest them again, in float32 if float16 overflowed"
                )
        return block


def _rows(tree: xr.DataTree, site: str, special_tokens: bool) -> _Rows:
    """Find the activations of a site, and which of their tokens are special, before the first batch is asked for."""
    refuse_other_than_tree(tree)
    if "activations" not in tree.children:
        raise StoreError("/activations: none in this store; build one that keeps them")
    sites = tree.children["activations"].children
    if site not in sites:
        raise UnknownNameError("site", site, sites)
    where = f"/activations/{site}"
    group = sites[site].to_dataset(inherit=False)
    if "activation" not in group:
        raise StoreError(
            f"{where}/activation: missing; got {', '.join(map(str, group)) or 'no variables'}; rename the one that"
            " holds the activations"
        )
    activation = group["activation"]
    if problems := list(schema.activation.problems(activation, f"{where}/activation")):
        raise ValidationError(problems)
    special = np.zeros(activation.shape[0], bool)
    if not special_tokens:
        if "tokens" not in tree.children:
            raise StoreError("/tokens: not in this store, which tell special tokens; give special_tokens=True")
        special = _special(tree.children["tokens"].to_dataset(inherit=False))
        if len(special) != len(activation):
            raise StoreError(f"/tokens: got {len(special)} tokens, expected {len(activation)}, as in {where}")
    # By what is stored: the order of batches must not depend on how somebody has chunked the lazy array.
    stored = activation.encoding.get("shards") or activation.encoding.get("chunks")
    row_bytes = max(1, activation.shape[1] * activation.dtype.itemsize)
    return _Rows(where, activation, special, stored[0] if stored else shard_rows(len(special), row_bytes)[1])


def _special(tokens: xr.Dataset) -> Array:
    """Mask (tokens,) of special tokens."""
    kind = group_kinds.DatasetKind("tokens", "tokens", (schema.is_special,))
    if problems := list(kind.problems(tokens, "/tokens")):
        raise ValidationError(problems)
    return np.asarray(tokens["is_special"].values, bool)


def _endless(
    rows: _Rows,
    batch_size: int,
    capacity: int,
    seed: int,
    n_epochs: int | None,
    drop_last: bool,
    dtype: torch.dtype,
    device: str | torch.device,
) -> Iterator[torch.Tensor]:
    """Yield the batches of ``n_epochs`` epochs; epoch e draws from child e of the seed, so that it needs no other."""
    import torch

    largest = torch.finfo(dtype).max
    with ThreadPoolExecutor(1, "saegeom-batches") as reader:
        epoch = 0
        while n_epochs is None or epoch < n_epochs:
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch,)))
            for batch in _cut(_shuffled(rows, capacity, batch_size, rng, reader), batch_size, drop_last):
                # Only a narrower dtype can overflow, and a look at every value takes as long as the copy.
                if largest < np.finfo(batch.dtype).max and (size := float(np.abs(batch).max(initial=0))) > largest:
                    raise DataValueError(
                        f"{rows.where}: got a value of size {size:g}, expected at most {largest:g}, the largest of"
                        f" {dtype}; give another dtype"
                    )
                yield torch.from_numpy(batch).to(device=device, dtype=dtype)
            epoch += 1


def _shuffled(
    rows: _Rows, capacity: int, piece: int, rng: np.random.Generator, reader: ThreadPoolExecutor
) -> Iterator[Array]:
    """Every row once, in pieces (piece, hidden): what a buffer gives up at random places for what comes in.

    The buffer is (capacity, hidden). Each piece of c rows that comes in takes c different places, drawn uniformly; the
    rows that were there go out. A row thus stays for a geometric time of mean capacity / c pieces.
    """
    capacity = min(capacity, rows.n)
    buffer = np.empty((capacity, rows.activation.shape[1]), rows.dtype)
    filled = 0
    for block in _shards(rows, rng, reader):
        # Rows of a shard come from the same texts, and what goes out early would hold neighbours.
        order = rng.permutation(len(block))
        first = min(len(order), capacity - filled)
        buffer[filled : filled + first] = block[order[:first]]
        filled += first
        for start in range(first, len(order), piece):
            coming = order[start : start + min(piece, capacity)]
            places = rng.choice(capacity, len(coming), replace=False)
            going = buffer[places]
            buffer[places] = block[coming]
            yield going
    order = rng.permutation(filled)
    for start in range(0, filled, piece):
        yield buffer[order[start : start + piece]]


def _shards(rows: _Rows, rng: np.random.Generator, reader: ThreadPoolExecutor) -> Iterator[Array]:
    """Shards (rows, hidden) in a random order, each read while the one before is used."""
    starts = rng.permutation(np.arange(0, len(rows.special), rows.shard)).tolist()
    coming = reader.submit(rows.read, starts[0])
    for start in starts[1:]:
        block = coming.result()
        coming = reader.submit(rows.read, start)
        yield block
    yield coming.result()


def _cut(pieces: Iterator[Array], size: int, drop_last: bool) -> Iterator[Array]:
    """The same rows in batches (size, hidden); the last may be smaller."""
    held: list[Array] = []
    n = 0
    for piece in pieces:
        if not held and len(piece) == size:
            yield piece
            continue
        held.append(piece)
        n += len(piece)
        while n >= size:
            joined = np.concatenate(held)
            yield joined[:size]
            held, n = [joined[size:]], n - size
    if n and not drop_last:
        yield np.concatenate(held)
