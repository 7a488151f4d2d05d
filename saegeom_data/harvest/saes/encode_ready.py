"""Codes of ready SAEs over a corpus: activations are encoded as they come, and only codes reach the disk."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saegeom_data.checkpoints.encoder import Encoder
from saegeom_data.engine.scheduler import Place
from saegeom_data.engine.task_counter import TaskCounter
from saegeom_data.errors import ClusterError, DataValueError
from saegeom_data.harvest.model.activations import read_sites
from saegeom_data.harvest.model.loading import load_model
from saegeom_data.harvest.model.sites import check_sites
from saegeom_data.harvest.recipe import Recipe
from saegeom_data.harvest.saes.ready import ReadySae, open_saes
from saegeom_data.harvest.saes.untrained import untrained_saes
from saegeom_data.harvest.stages import Meter, Progress, write_whole
from saegeom_data.harvest.text.corpus import Corpus, SequenceShard
from saegeom_data.harvest.text.roots import Roots

# Bytes of dense codes at a time.
_DENSE_BYTES = 64 * 2**20

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class EncodedCorpus:
    """The shards of codes in a folder, one for each shard of sequences."""

    folder: Path

    def file(self, number: int) -> Path:
        """File of a shard."""
        return self.folder / f"codes-{number:06d}.npz"

    def array(self, number: int, key: str) -> npt.NDArray[Any]:
        """Read one array of a shard."""
        with np.load(self.file(number)) as arrays:
            found: npt.NDArray[Any] = arrays[key]
            return found


def key_of(name: str, part: str) -> str:
    """Name of an array in the file of a shard: of an SAE, or of a site whose activations are kept."""
    return f"{part}-{name}"


@dataclass(frozen=True)
class Encoding:
    """What encodes a corpus. It travels without the SAEs: each process that encodes opens them and loads the model.

    Parameters
    ----------
    recipe
        Names the model, the SAEs and what is kept.
    roots
        Where the paths of the recipe start.
    device
        Where torch computes in each process.
    corpus
        Folder of the sequences.
    saes
        The SAEs as this process has opened them; None elsewhere.
    name
        Of this one among others of the same words, whose files may have changed.
    """

    recipe: Recipe
    roots: Roots
    device: str
    corpus: Path
    saes: Mapping[str, ReadySae] | None = None
    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __getstate__(self) -> dict[str, Any]:
        """What travels to other processes."""
        return vars(self) | {"saes": None}


def by_path(saes: Mapping[str, ReadySae], untrained: Mapping[str, ReadySae]) -> dict[str, ReadySae]:
    """All SAEs by their places in the store."""
    of_kind = {"saes": saes, "untrained": untrained}
    return {f"{folder}/{name}": sae for folder, saes in of_kind.items() for name, sae in saes.items()}


def encode_corpus(folder: Path, encoding: Encoding, place: Place, progress: Progress) -> None:
    """Encode every sequence by every SAE and write the codes, shard by shard, as CSR.

    Special tokens have no codes. In memory of each process that encodes are the model, the SAEs, and for each of its
    threads the activations of one batch, 64 MB of dense codes and the codes of one shard.

    Parameters
    ----------
    folder
        Receives a file for each shard; those that are there are kept.
    encoding
        What encodes.
    place
        Where: in this process, or on the workers of a cluster, which must see the folders.
    progress
        Called with a line now and then.

    Raises
    ------
    ParameterError
        If the model lacks a site.
    DataValueError
        If an SAE reads another number of dimensions than there are at its site, or gives codes that are not finite.
    ClusterError
        If a worker does not see a folder; names it.
    """
    import dask

    folder = folder.absolute()
    for seen in (folder, encoding.corpus, encoding.roots.spec_folder):
        place.see(str(seen), "put the spec, the work folder and the store where every worker sees them")
    encoded, corpus = EncodedCorpus(folder), Corpus(encoding.corpus)
    sizes = [corpus.sizes(number)[0] for number in range(len(corpus))]
    todo = [number for number in range(len(corpus)) if not encoded.file(number).is_file()]
    before = sum(sizes) - sum(sizes[number] for number in todo)
    meter = Meter(progress, "codes", "sequences", sum(sizes), before)

    def report(done: int, total: int) -> None:
        # A cluster may count more tasks than shards.
        meter(before + sum(sizes[number] for number in todo[: done * len(todo) // total]))

    counter = TaskCounter(report, len(todo))
    shard = dask.delayed(_encode_shard, pure=False)
    # One for all, so that not every shard carries the recipe.
    words = dask.delayed(encoding, traverse=False, pure=False)
    try:
        with place.running(tasks=counter):
            dask.compute(*(shard(encoded, words, number) for number in todo))
    finally:
        # Workers that are lost have let go of it.
        with suppress(ClusterError):
            place.ask(_release)


def _encode_shard(encoded: EncodedCorpus, encoding: Encoding, number: int) -> None:
    """Encode one shard of sequences and write its file; on a worker with one thread, as it may have several tasks."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(before if encoding.saes is not None else 1)
    try:
        _write_shard(encoded, encoding, number)
    finally:
        torch.set_num_threads(before)


def _write_shard(encoded: EncodedCorpus, encoding: Encoding, number: int) -> None:
    tools = _loaded(encoding)
    parts: dict[str, list[Any]] = {}
    shard, size = Corpus(encoding.corpus).shard(number), encoding.recipe.activations.batch_size
    for special, activations in _batches(shard, tools.model, tools.sites, size):
        for site in tools.kept:
            parts.setdefault(key_of(site, "activation"), []).append(activations[site].cpu().numpy())
        for name, sae in tools.saes.items():
            for part, values in _codes(tools.encoders[name], sae, activations[sae.site], special, name).items():
                parts.setdefault(key_of(name, part), []).append(values)
    write_whole(encoded.file(number), {key: np.concatenate(values) for key, values in parts.items()})


@dataclass(frozen=True)
class _Tools:
    """What a process has loaded to encode."""

    model: Any
    saes: Mapping[str, ReadySae]
    encoders: Mapping[str, Encoder]
    kept: Sequence[str]

    @property
    def sites(self) -> list[str]:
        """Where the model is read."""
        return list(dict.fromkeys([*self.kept, *(sae.site for sae in self.saes.values())]))


# By the name of the encoding; one at a time, as models are large.
_tools: dict[str, _Tools] = {}
_loading = threading.Lock()


def _loaded(encoding: Encoding) -> _Tools:
    """Model and SAEs of an encoding, which a process loads once for all of its threads."""
    with _loading:
        if encoding.name not in _tools:
            _tools.clear()
            _tools[encoding.name] = _load(encoding)
        return _tools[encoding.name]


def _release() -> None:
    """Let go of what was loaded."""
    _tools.clear()


def _load(encoding: Encoding) -> _Tools:
    import dask

    # In this thread: a task that waits for others of its cluster would hold one of its workers.
    with dask.config.set(scheduler="synchronous"):
        recipe, saes = encoding.recipe, encoding.saes
        if saes is None:
            saes = open_saes(recipe.imported, encoding.roots, encoder=True)
        return _with_model(recipe, saes, encoding.roots, encoding.device)


def _with_model(recipe: Recipe, saes: Mapping[str, ReadySae], roots: Roots, device: str) -> _Tools:
    found = by_path(saes, untrained_saes(saes) if recipe.untrained else {})
    model = load_model(recipe.model, recipe.activations.dtype, device, roots=roots)
    kept = recipe.activations.sites if recipe.activations.keep else []
    check_sites(kept, model)
    for path, sae in found.items():
        # An untrained SAE reads where the one of its name does, which comes first.
        name = path.rpartition("/")[2]
        check_sites([sae.site], model, f"saes: {name} ({sae.opened.checkpoint.file.name}) reads")
    encoders = {path: Encoder(sae.opened.features, device=device) for path, sae in found.items()}
    return _Tools(model, found, encoders, kept)


def _batches(
    shard: SequenceShard, model: Any, sites: Sequence[str], size: int
) -> Iterator[tuple[npt.NDArray[np.bool_], dict[str, Any]]]:
    """Yield the mask of special tokens and the activations (tokens, hidden) of some sequences, without padding."""
    import torch

    ends = np.concatenate([[0], np.cumsum(shard.length, dtype=np.int64)])
    for low in range(0, len(shard.length), size):
        high = min(low + size, len(shard.length))
        tokens, present = shard.padded(low, high)
        chosen = torch.from_numpy(present)
        states = read_sites(model, tokens, sites, present)
        flat = {site: state[chosen.to(state.device)] for site, state in zip(sites, states, strict=True)}
        yield shard.is_special[ends[low] : ends[high]], flat


def _codes(encoder: Encoder, sae: ReadySae, inputs: Any, special: npt.NDArray[np.bool_], name: str) -> Arrays:
    """Encode activations (tokens, hidden) a few rows at a time: CSR values, columns, and entries of each row.

    Special tokens get empty rows.
    """
    features, hidden = (sae.opened.features.sizes[dim] for dim in ("features", "hidden"))
    if inputs.shape[-1] != hidden:
        raise DataValueError(
            f"{name}: reads {hidden} dimensions, and {sae.site} has {inputs.shape[-1]}; give its own model and site"
        )
    rows = max(1, _DENSE_BYTES // (4 * features))
    data, indices, counts = [], [], []
    for low in range(0, len(inputs), rows):
        codes = encoder(inputs[low : low + rows]).float().cpu().numpy()
        codes[special[low : low + rows]] = 0
        row, column = np.nonzero(codes)
        data.append(codes[row, column])
        indices.append(column.astype(np.int32))
        counts.append(np.bincount(row, minlength=len(codes)))
    values = np.concatenate(data)
    if not np.isfinite(values).all():
        raise DataValueError(f"{name}: codes are not finite; check that the SAE is for this model and site")
    return {"data": values, "indices": np.concatenate(indices), "counts": np.concatenate(counts).astype(np.int64)}
