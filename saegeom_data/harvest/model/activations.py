"""Activations of a transformer, written shard by shard into a zarr store and read back in shuffled batches."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.harvest.model.sites import check_sites, is_hidden_state, layer_of, read_modules
from saegeom_data.harvest.stages import Meter, Progress, write_whole
from saegeom_data.harvest.text.sequences import SHARD_SEQUENCES, SequenceTable

# Rows are shuffled within a window alone: more shards mix them better, and each takes memory in every worker.
_SHARDS_PER_WINDOW = 4
_FINISHED = "finished.json"


def check_width(site: str, state: Any, hidden: int) -> None:
    """Raise :class:`ParameterError` if what passes at a site is not as wide as the hidden states."""
    if state.shape[-1] != hidden:
        raise ParameterError(
            f"activations.sites: {site!r}: got {state.shape[-1]} dimensions, expected {hidden} as in the hidden states;"
            " choose another site"
        )


def hidden_size(model: Any) -> int:
    """Return the number of dimensions of a model's hidden states."""
    return int(model.config.get_text_config().hidden_size)


def read_sites(
    model: Any, token_id: npt.NDArray[np.int32], sites: Sequence[str], present: npt.NDArray[np.bool_] | None = None
) -> list[Any]:
    """Return what passes at some sites of a model for a batch of sequences, as float32 tensors where the model is.

    ``present`` (sequences, positions) tells tokens from padding; all are tokens if it is not given.

    Raises
    ------
    ParameterError
        If what passes at a site is not one vector for each token, or nothing does.
    """
    import torch

    mask = np.ones(token_id.shape, dtype=np.int64) if present is None else present.astype(np.int64)
    device = next(model.parameters()).device
    # The model keeps hidden states of all layers until the end of a call where they are asked for.
    states = any(map(is_hidden_state, sites))
    with torch.inference_mode(), read_modules(model, sites) as found:
        ids, attended = (torch.from_numpy(array).to(device) for array in (token_id.astype(np.int64), mask))
        output = model(input_ids=ids, attention_mask=attended, output_hidden_states=states)
        if states:
            found |= {site: output.hidden_states[layer_of(site)] for site in sites if is_hidden_state(site)}
        return [_checked(site, found.get(site), token_id.shape).float() for site in sites]


def _checked(site: str, state: Any, tokens: tuple[int, ...]) -> Any:
    """Return what passed at a site if it is (sequences, positions, dimensions)."""
    shape = getattr(state, "shape", None)
    if shape is None or len(shape) != 3 or tuple(shape[:2]) != tokens:
        got = "nothing" if shape is None else f"shape {tuple(shape)}"
        raise ParameterError(
            f"{site}: got {got} for a text, expected a vector for each of {tokens[0]} x {tokens[1]} tokens; choose"
            " another site"
        )
    return state


def write_activations(
    target: Path,
    table: SequenceTable,
    model: Any,
    sites: Sequence[str],
    batch_size: int,
    progress: Progress,
    dtype: str = "float16",
) -> None:
    """Write the activations of all sequences in a dtype into ``/activations/<site>`` groups of a working store.

    At most one shard of each site (128 sequences) is in memory. Shards that an earlier call finished stay as they are.

    Raises
    ------
    ParameterError
        If the model lacks a site, or one is not as wide as the hidden states.
    DataValueError
        If an activation is not finite in the dtype.
    """
    check_sites(sites, model)
    count, length = table.token_id.shape
    hidden = hidden_size(model)
    finished = target.with_name(_FINISHED)
    arrays, first = _arrays(target, finished, sites, (count * length, hidden), length, dtype)
    meter = Meter(progress, "activations", "sequences", count, first)
    for start in range(first, count, SHARD_SEQUENCES):
        stop = min(start + SHARD_SEQUENCES, count)
        shards = [np.empty(((stop - start) * length, hidden), dtype) for _ in sites]
        for low in range(start, stop, batch_size):
            states = read_sites(model, table.token_id[low : min(low + batch_size, stop)], sites)
            offset = (low - start) * length
            for site, shard, state in zip(sites, shards, states, strict=True):
                check_width(site, state, hidden)
                rows = state.reshape(-1, hidden).cpu().numpy()
                # What overflows is infinite in the shard, which is checked before it is written.
                with np.errstate(over="ignore"):
                    shard[offset : offset + len(rows)] = rows
        for site, array, shard in zip(sites, arrays, shards, strict=True):
            if not np.isfinite(shard).all():
                wider = "set saes.input_dtype: float32, or " if dtype == "float16" else ""
                raise DataValueError(
                    f"{site}: activations of sequences {start} to {stop} are not finite in {dtype} (at most"
                    f" {np.finfo(dtype).max:,.6g}), in which they are kept for training; {wider}choose another site"
                )
            array[start * length : stop * length] = shard
        # After the shards of all sites: a build that is stopped in between writes them again.
        write_whole(finished, json.dumps({"sequences": stop}).encode())
        meter(stop)


def _arrays(
    target: Path, finished: Path, sites: Sequence[str], shape: tuple[int, int], length: int, dtype: str
) -> tuple[list[Any], int]:
    """Return the arrays (tokens, hidden), new or left by an earlier call, and how many sequences they hold."""
    if finished.is_file():
        return [_opened(target, site, "r+") for site in sites], int(json.loads(finished.read_text())["sequences"])
    # Nothing says how far arrays that are left without this file are filled.
    shutil.rmtree(target, ignore_errors=True)
    return [_create(target, site, shape[0], length, shape[1], dtype) for site in sites], 0


def _opened(target: Path, site: str, mode: Literal["r", "r+"]) -> Any:
    import zarr

    return zarr.open_array(str(target / "activations" / site / "activation"), mode=mode)


def _create(target: Path, site: str, tokens: int, length: int, hidden: int, dtype: str) -> Any:
    import zarr
    from zarr.codecs import BloscCodec

    group = zarr.open_group(str(target), mode="a", zarr_format=3).require_group(f"activations/{site}")
    return group.create_array(
        "activation",
        shape=(tokens, hidden),
        dtype=dtype,
        # Whole sequences, and a number that divides a shard, as zarr asks.
        chunks=(16 * length, hidden),
        shards=(SHARD_SEQUENCES * length, hidden),
        compressors=(BloscCodec(cname="zstd", clevel=1, shuffle="shuffle", typesize=np.dtype(dtype).itemsize),),
        chunk_key_encoding={"name": "default", "separator": "."},
        dimension_names=("tokens", "hidden"),
        config={"write_empty_chunks": True},
    )


@dataclass(frozen=True)
class ActivationReader:
    """Reads the activations of one site from a working store.

    Parameters
    ----------
    store
        The working store.
    site
        Name of the site.
    table
        The sequences the activations belong to.
    """

    store: Path
    site: str
    table: SequenceTable

    def shards(self) -> Iterator[tuple[slice, npt.NDArray[np.floating]]]:
        """Yield all activations in order: sequences, and (sequences, positions, hidden)."""
        array, length = self._array(), self.table.length
        for start in range(0, len(self.table.document), SHARD_SEQUENCES):
            stop = min(start + SHARD_SEQUENCES, len(self.table.document))
            rows = array[start * length : stop * length]
            yield slice(start, stop), rows.reshape(stop - start, length, -1)

    def training_rows(self, shard: int) -> npt.NDArray[np.floating]:
        """Return the activations of one shard that are trained on: no held-out sequence, no special token."""
        length = self.table.length
        start = shard * SHARD_SEQUENCES
        stop = min(start + SHARD_SEQUENCES, len(self.table.document))
        rows = self._array()[start * length : stop * length].reshape(stop - start, length, -1)
        trained = ~self.table.held_out[start:stop, None] & ~self.table.is_special[start:stop]
        kept: npt.NDArray[np.floating] = rows[trained]
        return kept

    @property
    def dtype(self) -> str:
        """Precision of the activations."""
        return str(self._array().dtype)

    @property
    def shard_count(self) -> int:
        """Number of shards."""
        return -(-len(self.table.document) // SHARD_SEQUENCES)

    @property
    def training_tokens(self) -> int:
        """Number of tokens that are trained on, each counted once."""
        return int((~self.table.is_special[~self.table.held_out]).sum())

    def moments(self) -> tuple[npt.NDArray[np.float64], float]:
        """Return the mean m (hidden) of the training tokens x, and their total variance, mean |x|^2 - |m|^2.

        One pass, in float64: the difference of two large numbers would lose all digits of narrower ones.
        """
        total, squares, count = np.zeros(0), 0.0, 0
        for shard in range(self.shard_count):
            rows = self.training_rows(shard).astype(np.float64)
            total = rows.sum(axis=0) if count == 0 else total + rows.sum(axis=0)
            squares += float(np.square(rows).sum())
            count += len(rows)
        mean = total / count
        return mean, squares / count - float(mean @ mean)

    def batches(self, size: int, seed: int) -> Iterator[npt.NDArray[np.floating]]:
        """Yield shuffled batches for ever: windows of some shards, drawn anew each epoch, shuffled within."""
        rng = np.random.default_rng(seed)
        # What does not fill a batch begins the next window, so that no token is left out.
        rest = None
        while True:
            order = rng.permutation(self.shard_count)
            for start in range(0, len(order), _SHARDS_PER_WINDOW):
                parts = [self.training_rows(int(shard)) for shard in order[start : start + _SHARDS_PER_WINDOW]]
                window = np.concatenate(parts if rest is None else [rest, *parts])
                window = window[rng.permutation(len(window))]
                full = len(window) // size * size
                for low in range(0, full, size):
                    yield window[low : low + size]
                rest = window[full:]

    def _array(self) -> Any:
        return _opened(self.store, self.site, "r")
