"""What a build would read and take, from the recipe and the files of this machine, without a network."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from saegeom_data.engine.sizes import plan_line, size_text
from saegeom_data.harvest.model.place import model_path
from saegeom_data.harvest.plan_time import build_seconds, in_words, n_sides
from saegeom_data.harvest.readings import (
    Reading,
    is_known,
    model_reading,
    relation_reading,
    sae_reading,
    size_of,
    source_reading,
)
from saegeom_data.harvest.recipe import Recipe
from saegeom_data.harvest.saes.worker import processors
from saegeom_data.harvest.text.roots import Roots
from saegeom_data.harvest.text.sequences import SHARD_SEQUENCES

# Python with torch and transformers; and the dense codes of some rows, which exist twice while they become CSR.
_BASE_BYTES = 1.0e9
_DENSE_BYTES = 2 * 64 * 2**20
# A value and its column of one code, and row bounds, position, document, vocabulary index and mask of a token.
_CODE_BYTES, _TOKEN_BYTES = 8, 21
_NO_HIDDEN = "hidden size of the model: give model.hidden"


@dataclass(frozen=True)
class BuildPlan:
    """What a build takes.

    Parameters
    ----------
    reads
        What is read, and from where.
    tokens
        How many tokens there are at most; 0 without a text, None if the recipe sets no end.
    disk_bytes
        Of the working folder and the store together, before compression, at most; None if something is not known.
    memory_bytes
        Peak, at most; None if something is not known.
    command
        The command that does it.
    seconds
        What each part computes on this machine; None if something is not known.
    """

    reads: list[Reading]
    tokens: int | None
    disk_bytes: int | None
    memory_bytes: int | None
    command: str
    seconds: dict[str, float] | None = None
    unknown: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """The same as text."""
        for reading in self.reads:
            size = "size not known" if reading.bytes is None else size_text(reading.bytes)
            note = f"; {reading.note}" if reading.note else ""
            yield plan_line("input", f"{reading.what}: {reading.where} ({size}{note})")
        known = [reading.bytes for reading in self.reads if reading.bytes is not None]
        more = ", and inputs of unknown size" if len(known) < len(self.reads) else ""
        yield plan_line("reads", f"{size_text(sum(known))}{more}")
        if self.tokens != 0:
            yield plan_line("text", "no limit is set" if self.tokens is None else f"{self.tokens:,} tokens at most")
        for label, needed in (("disk", self.disk_bytes), ("memory", self.memory_bytes)):
            yield plan_line(label, "not known" if needed is None else f"{size_text(needed)} at most")
        yield plan_line("time", "not known" if self.seconds is None else in_words(self.seconds))
        for missing in self.unknown:
            yield plan_line("unknown", missing)
        yield plan_line("command", self.command)


def plan_build(recipe: Recipe, spec: str, output: str | None, roots: Roots, device: str = "cpu") -> BuildPlan:
    """Plan a build without reading anything but sizes of local files.

    Parameters
    ----------
    recipe
        What is to be built.
    spec, output, device
        As on the command line.
    roots
        Where paths of the recipe start; those that are not given are left as they stand.
    """
    unknown: list[str] = []
    tokens = _tokens(recipe, unknown)
    needs_encoder = bool(recipe.sources)
    reads = [sae_reading(entry, roots, needs_encoder) for entry in recipe.imported]
    reads += [source_reading(source, roots) for source in recipe.sources]
    reads += [relation_reading(pattern, roots) for pattern in (recipe.relations.files if recipe.relations else [])]
    model_bytes = None
    if recipe.reads_text:
        reads.append(model_reading(recipe, roots))
        parameters = recipe.model.parameters
        # Of a file that is dequantised, the size says nothing of the weights.
        model_bytes = 4 * parameters if parameters else None if recipe.model.is_gguf else reads[-1].bytes
    unknown += [
        f"size of SAEs of {entry.address}: give width and hidden" for entry in recipe.imported if not size_of(entry)
    ]
    hidden = _hidden(recipe, roots)
    disk = _disk(recipe, tokens, hidden, unknown)
    memory = _memory(recipe, model_bytes, hidden, unknown)
    given = "".join(f" --root {name}={shlex.quote(str(place))}" for name, place in roots.folders.items())
    target = output or f"{recipe.name}.zarr"
    command = f"saegeom build {shlex.quote(spec)} -o {shlex.quote(target)}{given}"
    command += f" --device {device}" if device != "cpu" else ""
    seconds = build_seconds(recipe, tokens, model_bytes, hidden, device, unknown)
    return BuildPlan(reads, tokens, disk, memory, command, seconds, unknown)


def _tokens(recipe: Recipe, unknown: list[str]) -> int | None:
    sequences = recipe.sequences
    if sequences is None:
        return 0
    if sequences.per_type is not None:
        types = {source.document_type for source in recipe.sources}
        # The types stand in a column of the data set, which a plan does not read.
        if None in types:
            unknown.append("how many document types there are: the dataset says it when it is read")
            return None
        return sequences.length * sequences.per_type * len(types)
    # Of windows a document has as many as it is long, and how long it is only reading tells.
    if sequences.cut == "windows" or any(source.documents is None for source in recipe.sources):
        unknown.append("how long the text is: give documents for every source, and cut: start")
        return None
    return sequences.length * sum(source.documents or 0 for source in recipe.sources)


def _disk(recipe: Recipe, tokens: int | None, hidden: int | None, unknown: list[str]) -> int | None:
    """Working folder and store: each holds tokens and codes once."""
    if recipe.relations is not None and not recipe.sources and not recipe.imported:
        unknown.append("disk that word pairs take: how many there are is known when their files are read")
        return None
    if recipe.training is not None:
        return _disk_of_training(recipe, tokens, hidden, unknown)
    if not all(size_of(entry) for entry in recipe.imported) or tokens is None:
        return None
    sides = n_sides(recipe)
    stored = sides * sum(size_of(entry) * (2 if entry.encoder else 1) for entry in recipe.imported)
    for entry in recipe.imported if tokens else []:
        l0 = entry.l0 if entry.l0 is not None else _l0_of(entry.address)
        if l0 is None:
            unknown.append(f"L0 of {entry.address}: give l0")
            return None
        stored += sides * math.ceil(2 * tokens * l0 * _CODE_BYTES)
        if recipe.occurrence is not None:
            stored += sides * (entry.width or 0) * (tokens // recipe.occurrence.block_length)
        stored += 4 * (entry.width or 0) ** 2 if recipe.cooccurrence else 0
    if recipe.activations.keep:
        wide = hidden or next((entry.hidden for entry in recipe.imported if entry.hidden), None)
        if wide is None:
            unknown.append(_NO_HIDDEN)
            return None
        stored += 2 * 4 * tokens * wide * len(recipe.activations.sites)
    return stored + 2 * tokens * _TOKEN_BYTES


def _disk_of_training(recipe: Recipe, tokens: int | None, hidden: int | None, unknown: list[str]) -> int | None:
    """Activations, and SAEs, occurrence and codes in folder and store."""
    training = recipe.training
    if tokens is None or training is None or recipe.sequences is None:
        return None
    if hidden is None:
        unknown.append(_NO_HIDDEN)
        return None
    occurrence = 2 * training.width * (tokens // recipe.sequences.length)
    bytes_each = 4 if training.input_dtype == "float32" else 2
    sites, sides = len(recipe.activations.sites), n_sides(recipe)
    # Ten bytes a weight of the decoder: it and the encoder in float32 in the folder, and it alone
    # in float16 in the store.
    total = sites * (bytes_each * tokens * hidden + sides * (10 * training.width * hidden + occurrence))
    if recipe.codes is not None:
        types = {source.document_type for source in recipe.sources}
        kept = min(tokens, len(types) * recipe.codes.sequences_per_type * recipe.sequences.length)
        coded = sites if recipe.codes.site is None else 1
        total += 2 * kept * (sides * coded * training.k * _CODE_BYTES + _TOKEN_BYTES)
    return total


def _memory_of_training(recipe: Recipe, model_bytes: int, hidden: int | None) -> int | None:
    """One worker per core: weights, gradients and moments of an SAE, and five shards of activations, copied once."""
    training, sequences = recipe.training, recipe.sequences
    if hidden is None or training is None or sequences is None:
        return None
    shards = 10 * SHARD_SEQUENCES * sequences.length * hidden * (4 if training.input_dtype == "float32" else 2)
    workers = min(processors(), len(recipe.activations.sites))
    return int(_BASE_BYTES + model_bytes + workers * (_BASE_BYTES + 4 * 8 * training.width * hidden + shards))


def _hidden(recipe: Recipe, roots: Roots) -> int | None:
    """Hidden size of a model that is on this machine."""
    if recipe.model.hidden is not None:
        return recipe.model.hidden
    if not recipe.reads_text or recipe.model.is_gguf or not is_known(recipe.model.path, roots):
        return None
    config = Path(model_path(recipe.model, roots)) / "config.json"
    found = json.loads(config.read_text()) if config.is_file() else {}
    # GPT-2's own configuration has another name for it.
    size = found.get("hidden_size", found.get("n_embd"))
    return int(size) if size is not None else None


def _l0_of(address: str) -> float | None:
    """L0 as Gemma Scope has it in the names of folders."""
    _, found, number = address.partition("average_l0_")
    digits = number.partition("/")[0]
    return float(digits) if found and digits.isdecimal() else None


def _memory(recipe: Recipe, model_bytes: int | None, hidden: int | None, unknown: list[str]) -> int | None:
    """Peak of reading a text: model, SAEs with encoders, activations of a batch, dense codes, and codes of a shard."""
    if recipe.imported and not all(size_of(entry) for entry in recipe.imported):
        return None
    if recipe.reads_text and model_bytes is None:
        unknown.append("size of the model: give model.parameters")
        return None
    if recipe.training is not None:
        return _memory_of_training(recipe, model_bytes or 0, hidden)
    if not recipe.sources:
        return int(_BASE_BYTES) + (model_bytes or 0)
    sequences = recipe.sequences
    length = sequences.length if sequences is not None else 0
    # Hidden states of a batch exist for all sites at once, as the model runs once for all SAEs.
    batch = recipe.activations.batch_size * length
    wide = max((entry.hidden or 0 for entry in recipe.imported), default=hidden or 0)
    widest = max((entry.width or 0 for entry in recipe.imported), default=0)
    saes = 2 * n_sides(recipe) * sum(size_of(entry) for entry in recipe.imported)
    codes = n_sides(recipe) * sum(
        SHARD_SEQUENCES * length * (entry.l0 or _l0_of(entry.address) or 0) * _CODE_BYTES for entry in recipe.imported
    )
    kept = len(recipe.activations.sites) if recipe.activations.keep else 0
    passing = 4 * batch * wide * (len(recipe.imported) + kept + 16) + 2 * 4 * SHARD_SEQUENCES * length * wide * kept
    # However wide an SAE is, one row of its codes is dense as a whole.
    logits = _DENSE_BYTES + 4 * widest
    return int(_BASE_BYTES + (model_bytes or 0) + saes + 2 * codes + passing + logits)
