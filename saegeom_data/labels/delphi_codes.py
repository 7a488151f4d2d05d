"""Codes from the cache of a run of delphi: ``latents/<hookpoint>/<start>_<end>.safetensors``, each of some latents.

A file has ``locations`` (entries, 3) of batch, position and latent less start, ``activations`` (entries,) and
``tokens`` (batches, length). Codes are by token, so that each stretch of the text is gathered from all files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data.checkpoints.weights import safetensors
from saegeom_data.checkpoints.weights.tensors import StoredTensor
from saegeom_data.data import store
from saegeom_data.data.codes import codes_of_arrays
from saegeom_data.data.manifest_of import root_hash
from saegeom_data.data.write import write_group
from saegeom_data.errors import DataValueError, ParameterError, UnknownNameError
from saegeom_data.labels.extend import extended
from saegeom_data.labels.join import sae_of_part
from saegeom_data.labels.source import LabelSource
from saegeom_data.remote.files import SourceFile
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

_FILE = re.compile(r"latents/(?:(.+)/)?(\d+)_(\d+)[.]safetensors")
# Entries that are gathered and sorted at a time.
_ENTRIES_AT_ONCE = 2**22
_STEP = 2**20


def add_codes(
    path: str | os.PathLike[str],
    run: str | os.PathLike[str],
    *,
    sae: str | None = None,
    part: str | None = None,
    is_partial: bool = False,
) -> tuple[str, int, str]:
    """Add the codes that a run of delphi has cached to an SAE that has none, and the tokens where the store has none.

    Parameters
    ----------
    path
        Store of this machine.
    run
        Folder of the run.
    sae, part
        SAE and hookpoint, as in :func:`saegeom_data.labels.label_store`.
    is_partial
        Whether latents of the SAE may be missing from the cache; these then never fire.

    Returns
    -------
    name : str
        Name of the SAE.
    n_values : int
        Activations that were added.
    root : str
        Root hash of the store now.

    Raises
    ------
    DataValueError
        If the cache is of another width or text, misses latents, or has entries that cannot be.
    ParameterError
        If the SAE has codes already, or it is not clear which SAE the cache is of.
    StoreError
        If store or cache cannot be read.
    """
    source = LabelSource(os.fspath(run))
    hooks = sorted({found[1] or "" for name in source.names if (found := _FILE.fullmatch(name))})
    if not hooks:
        raise DataValueError(f"{source.address}: holds no latents/<hookpoint>/<start>_<end>.safetensors of delphi")
    if part is not None and part not in hooks:
        raise UnknownNameError("hookpoint of the run", part, hooks)
    with store.open(path) as tree:
        name, hook = sae_of_part(tree, source, hooks, sae, part)
        node = tree["saes"].children[name]
        if "codes" in node.children:
            raise ParameterError(f"{path}: {name} has codes already, which stay; import it anew for others")
        n_features = node.children["features"].sizes["features"]
        cache = Cache(source, hook, n_features, is_partial)
        groups = {f"saes/{name}/codes": cache.codes()} | cache.text(tree)
        with extended(path, list(groups)) as folder:
            for group, dataset in groups.items():
                write_group(Path(folder), group, dataset)
    return name, cache.n_values, root_hash(path)


@dataclass(frozen=True)
class Latents:
    """One file of a cache: latents from ``start`` to ``end``, both included."""

    file: SourceFile
    start: int
    end: int

    @cached_property
    def tensors(self) -> dict[str, StoredTensor]:
        """Its tensors, checked."""
        held = safetensors.read(self.file).tensors
        found = {name: tensor for name, tensor in held.items() if isinstance(tensor, StoredTensor)}
        missing = [name for name in ("locations", "activations", "tokens") if name not in found]
        if missing:
            raise DataValueError(f"{self.file.shown}: no {', '.join(missing)} in it; expected a cache of delphi")
        locations, activations = found["locations"], found["activations"]
        if locations.shape != (*activations.shape, 3) or found["tokens"].ndim != 2:
            raise DataValueError(
                f"{self.file.shown}: got locations {locations.shape} of activations {activations.shape} and tokens"
                f" {found['tokens'].shape}, expected (entries, 3), (entries,) and (batches, length)"
            )
        return found


class Cache:
    """The cached latents of one hookpoint as codes.

    Parameters
    ----------
    source, hook
        The run and the hookpoint.
    n_features
        Width of the SAE.
    is_partial
        Whether latents may be missing.
    """

    def __init__(self, source: LabelSource, hook: str, n_features: int, is_partial: bool) -> None:
        self.where = f"{source.address}/latents/{hook}"
        self.n_features = n_features
        named = [
            (name, found) for name in source.names if (found := _FILE.fullmatch(name)) and (found[1] or "") == hook
        ]
        files = [Latents(source.file(name), int(found[2]), int(found[3])) for name, found in named]
        self.files = sorted(files, key=lambda latents: latents.start)
        self._check_ranges(is_partial)
        self.tokens = self.files[0].tensors["tokens"]
        # Each file holds a copy of the tokens; shapes are compared here and values with the store, as they may be
        # large.
        for latents in self.files[1:]:
            if latents.tensors["tokens"].shape != self.tokens.shape:
                got, expected = latents.tensors["tokens"].shape, self.tokens.shape
                raise DataValueError(
                    f"{latents.file.shown}: got tokens {got}, expected {expected}, as in the first file"
                )

    def _check_ranges(self, is_partial: bool) -> None:
        last = max(latents.end for latents in self.files)
        if last >= self.n_features:
            raise DataValueError(
                f"{self.where}: has latent {last}, expected 0 to {self.n_features - 1}, the features of the SAE"
            )
        # Ends before the first latent and after the last, so that gaps at either end are found as those between are.
        ends = [(-1, -1), *((latents.start, latents.end) for latents in self.files), (self.n_features, 0)]
        for (_, end), (start, _) in pairwise(ends):
            if start <= end:
                raise DataValueError(f"{self.where}: two files have latent {start}; remove one of them")
            if start > end + 1 and not is_partial:
                raise DataValueError(
                    f"{self.where}: latents {end + 1} to {start - 1} are missing; cache them, or give --partial"
                )

    @property
    def n_values(self) -> int:
        """Entries of all files."""
        return sum(latents.tensors["activations"].shape[0] for latents in self.files)

    def codes(self) -> xr.Dataset:
        """The ``codes`` group, lazy: entries are gathered for one stretch of the text at a time."""
        import dask
        import dask.array as da

        n_batches, length = self.tokens.shape
        of_tokens, of_batches = np.zeros(n_batches * length, np.int64), []
        for latents in self.files:
            counts = np.zeros(n_batches, np.int64)
            # A first pass for counts alone: zarr needs to know how large arrays are before any of their values.
            for batch, position, _ in self._pieces(latents, 0, None):
                of_tokens += np.bincount(batch * length + position, minlength=len(of_tokens))
                counts += np.bincount(batch, minlength=n_batches)
            of_batches.append(np.concatenate([[0], np.cumsum(counts)]))
        if not self.n_values:
            raise DataValueError(f"{self.where}: no activations in it; cache them again")
        self._starts = of_batches
        bounds = np.concatenate([[0], np.cumsum(of_tokens)])
        windows = list(_windows(bounds[::length], _ENTRIES_AT_ONCE))
        # Not pure: to be pure its name would be a hash of the whole cache.
        gather = dask.delayed(self.gathered, pure=False)
        parts = [(gather(first, stop), int(bounds[stop * length] - bounds[first * length])) for first, stop in windows]
        data, indices = (
            da.concatenate([da.from_delayed(part[place], (size,), dtype=dtype) for part, size in parts])
            for place, dtype in ((0, np.float32), (1, np.int32))
        )
        return codes_of_arrays(data, indices, bounds, (n_batches * length, self.n_features)).assign_attrs(
            source_dtype=str(self.files[0].tensors["activations"].dtype), source="cache of delphi"
        )

    def _pieces(self, latents: Latents, start: int, stop: int | None) -> Iterator[tuple[Array, Array, Array]]:
        """Yield batch, position and feature of entries ``start`` to ``stop`` of a file, checked."""
        stored = latents.tensors["locations"]
        n_batches, length = self.tokens.shape
        before = 0
        for begin in range(start, stored.shape[0] if stop is None else stop, _STEP):
            end = min(begin + _STEP, stored.shape[0] if stop is None else stop)
            batch, position, latent = stored[begin:end].astype(np.int64).T
            if (
                min(batch.min(), position.min(), latent.min()) < 0
                or batch.max() >= n_batches or position.max() >= length or latent.max() > latents.end - latents.start
            ):  # fmt: skip
                raise DataValueError(
                    f"{latents.file.shown}: has a location beyond {n_batches} batches, {length} positions or latents"
                    f" {latents.start} to {latents.end}; cache it again"
                )
            # Stretches of the text are cut from a file by bounds of batches, which holds for files in order alone.
            if batch[0] < before or (np.diff(batch) < 0).any():
                raise DataValueError(f"{latents.file.shown}: its locations are not in order of batches; cache it again")
            before = int(batch[-1])
            yield batch, position, latent + latents.start

    def gathered(self, first: int, stop: int) -> tuple[Array, Array]:
        """Activations and features (entries,) of batches ``first`` to ``stop``, by token and then by feature."""
        length = self.tokens.shape[1]
        rows, features, values = [], [], []
        for latents, starts in zip(self.files, self._starts, strict=True):
            begin, end = int(starts[first]), int(starts[stop])
            for batch, position, feature in self._pieces(latents, begin, end):
                rows.append(batch * length + position)
                features.append(feature)
            if end > begin:
                values.append(latents.tensors["activations"][begin:end].astype(np.float32))
        row, feature, value = (np.concatenate(parts) for parts in (rows, features, values))
        if not np.isfinite(value).all():
            raise DataValueError(f"{self.where}: an activation is not finite; cache it again")
        # CSR has entries by row and, as anndata and scipy expect, by column inside a row.
        order = np.lexsort((feature, row))
        row, feature = row[order], feature[order]
        if ((np.diff(row) == 0) & (np.diff(feature) == 0)).any():
            raise DataValueError(f"{self.where}: a latent has two activations on one token; cache it again")
        return value[order], feature.astype(np.int32)

    def text(self, tree: xr.DataTree) -> dict[str, xr.Dataset]:
        """Groups ``tokens`` and ``documents`` for a store that has none; none for one that has the same tokens."""
        import xarray as xr

        n_batches, length = self.tokens.shape
        # Read whole, unlike the codes: tokens are four bytes each and there is one copy of them, while
        # every token has many codes.
        token_id = self.tokens[0:n_batches].astype(np.int32).reshape(-1)
        if "tokens" in tree.children:
            held = tree.children["tokens"].to_dataset(inherit=False)["token_id"]
            if held.shape != token_id.shape or not np.array_equal(held.values, token_id):
                raise DataValueError(
                    f"{self.where}: its {len(token_id)} tokens are not the {held.size} of the store; cache those, or"
                    " give a store without text"
                )
            return {}
        if "documents" in tree.children:
            raise ParameterError(f"{self.where}: the store has /documents of another text; give one without text")
        # A cache has no documents: each of its sequences stands for one.
        names = np.array([f"sequence {batch}" for batch in range(n_batches)], dtype=object)
        tokens = {
            "token_id": token_id,
            "document": np.repeat(np.arange(n_batches, dtype=np.int32), length),
            "position": np.tile(np.arange(length, dtype=np.int32), n_batches),
            "is_special": np.zeros(len(token_id), bool),
        }
        types = np.full(n_batches, "text", dtype=object)
        return {
            "tokens": xr.Dataset({name: ("tokens", values) for name, values in tokens.items()}),
            "documents": xr.Dataset({"document_id": ("documents", names), "document_type": ("documents", types)}),
        }


def _windows(bounds: Array, most: int) -> Iterator[tuple[int, int]]:
    """Yield first and last batch of stretches of at most so many entries, by bounds (batches + 1); none is empty."""
    first, n = 0, len(bounds) - 1
    while first < n:
        # At least one batch, even where it alone has more entries than are wanted at a time.
        stop = max(first + 1, int(np.searchsorted(bounds, bounds[first] + most, side="right")) - 1)
        if bounds[stop] > bounds[first]:
            yield first, stop
        first = stop
