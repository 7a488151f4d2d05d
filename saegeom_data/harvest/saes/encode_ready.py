"""Codes of ready SAEs over a corpus: activations are encoded as they come, and only codes reach the disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saegeom_data.checkpoints.encoder import Encoder
from saegeom_data.errors import DataValueError
from saegeom_data.harvest.model.activations import read_sites
from saegeom_data.harvest.model.sites import check_sites
from saegeom_data.harvest.recipe_model import Activations
from saegeom_data.harvest.saes.ready import ReadySae
from saegeom_data.harvest.stages import Meter, Progress, write_whole
from saegeom_data.harvest.text.corpus import Corpus, SequenceShard

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


def encode_corpus(
    folder: Path,
    corpus: Corpus,
    model: Any,
    saes: Mapping[str, ReadySae],
    settings: Activations,
    progress: Progress,
) -> None:
    """Encode every sequence by every SAE and write the codes, shard by shard, as CSR.

    Special tokens have no codes. In memory are the model, the SAEs, the activations of one batch, 64 MB of dense codes
    and the codes of one shard.

    Raises
    ------
    ParameterError
        If the model lacks a site.
    DataValueError
        If an SAE reads another number of dimensions than there are at its site, or gives codes that are not finite.
    """
    kept = settings.sites if settings.keep else []
    sites = list(dict.fromkeys([*kept, *(sae.site for sae in saes.values())]))
    check_sites(kept, model)
    for path, sae in saes.items():
        # An untrained SAE reads where the one of its name does, which comes first.
        name = path.rpartition("/")[2]
        check_sites([sae.site], model, f"saes: {name} ({sae.opened.checkpoint.file.name}) reads")
    device = next(model.parameters()).device
    encoders = {name: Encoder(sae.opened.features, device=str(device)) for name, sae in saes.items()}
    encoded, total = EncodedCorpus(folder), len(corpus)
    todo = [number for number in range(total) if not encoded.file(number).is_file()]
    sizes = [corpus.sizes(number)[0] for number in range(total)]
    done = sum(sizes) - sum(sizes[number] for number in todo)
    meter = Meter(progress, "codes", "sequences", sum(sizes), done)
    for number in todo:
        shard = corpus.shard(number)
        parts: dict[str, list[Any]] = {}
        for special, activations in _batches(shard, model, sites, settings.batch_size):
            for site in kept:
                parts.setdefault(key_of(site, "activation"), []).append(activations[site].cpu().numpy())
            for name, sae in saes.items():
                for part, values in _codes(encoders[name], sae, activations[sae.site], special, name).items():
                    parts.setdefault(key_of(name, part), []).append(values)
        write_whole(encoded.file(number), {key: np.concatenate(values) for key, values in parts.items()})
        done += sizes[number]
        meter(done)


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
