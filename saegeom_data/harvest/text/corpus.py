"""Text as a stream of sequences: written in shards, each whole or absent, so that a stopped build goes on from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saegeom_data.errors import DataValueError
from saegeom_data.harvest.recipe_text import Sequences, Source
from saegeom_data.harvest.stages import Meter, Progress, write_whole
from saegeom_data.harvest.text.files import draw
from saegeom_data.harvest.text.roots import Roots
from saegeom_data.harvest.text.sequences import SHARD_SEQUENCES, SequenceTable, surrounded, surrounding_tokens
from saegeom_data.harvest.text.sources import quiet, stream_source
from saegeom_data.harvest.text.tokens import check_templates, document_tokens, how_read, special_ids

_COUNTS = "counts.json"


@dataclass(frozen=True)
class SequenceShard:
    """Some sequences, one after the other.

    Parameters
    ----------
    token_id, is_special
        (tokens) int32 and bool.
    length
        (sequences) int32: tokens of each.
    document
        (sequences) int32: index of the document, counted over the whole corpus.
    first_document
        Index of the first document of the shard.
    document_id, document_type
        Of the documents of the shard.
    """

    token_id: npt.NDArray[np.int32]
    is_special: npt.NDArray[np.bool_]
    length: npt.NDArray[np.int32]
    document: npt.NDArray[np.int32]
    first_document: int
    document_id: list[str]
    document_type: list[str]

    def padded(self, low: int, high: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        """Return tokens (sequences, positions) of some sequences, padded at the end, and which of them are tokens."""
        lengths = self.length[low:high]
        # A boolean mask is filled row by row, which is the order in which tokens lie in the shard.
        present = np.arange(int(lengths.max())) < lengths[:, None]
        tokens = np.zeros(present.shape, dtype=np.int32)
        ends = np.concatenate([[0], np.cumsum(self.length, dtype=np.int64)])
        tokens[present] = self.token_id[ends[low] : ends[high]]
        return tokens, present

    @property
    def position(self) -> npt.NDArray[np.int32]:
        """Position of each token in its sequence."""
        # In 64 bits: a sum of 32-bit lengths stays in 32 bits on some systems.
        starts = np.cumsum(self.length, dtype=np.int64) - self.length
        return (np.arange(len(self.token_id)) - np.repeat(starts, self.length)).astype(np.int32)

    @property
    def token_document(self) -> npt.NDArray[np.int32]:
        """Document of each token."""
        return np.repeat(self.document, self.length)


@dataclass(frozen=True)
class Corpus:
    """The shards of sequences in a folder."""

    folder: Path

    def __len__(self) -> int:
        # Shards are written in order and whole, so the first that is absent is the next to write.
        return next(number for number in count() if not _file(self.folder, number).is_file())

    def shard(self, number: int) -> SequenceShard:
        """Read one shard."""
        with np.load(_file(self.folder, number)) as arrays:
            about = json.loads(arrays["about"].tobytes())
            parts = {name: arrays[name] for name in ("token_id", "is_special", "length", "document")}
        return SequenceShard(**parts, **{name: about[name] for name in _ABOUT})

    def sizes(self, number: int) -> tuple[int, int]:
        """Sequences and tokens of one shard."""
        with np.load(_file(self.folder, number)) as arrays:
            return len(arrays["length"]), int(arrays["length"].sum())

    def state(self) -> dict[str, Any]:
        """How far the sources were read when the last shard was written."""
        number = len(self)
        if not number:
            return {}
        with np.load(_file(self.folder, number - 1)) as arrays:
            return dict(json.loads(arrays["about"].tobytes())["state"])

    @property
    def counts(self) -> dict[str, dict[str, Any]]:
        """For each source: documents, those without a token, those used, sequences, and tokens left out."""
        return dict(json.loads((self.folder / _COUNTS).read_text()))

    def documents(self) -> tuple[list[str], list[str]]:
        """Names and types of all documents."""
        names: list[str] = []
        types: list[str] = []
        for number in range(len(self)):
            shard = self.shard(number)
            names += shard.document_id
            types += shard.document_type
        return names, types

    def sha256(self) -> str:
        """Hash of all tokens."""
        found = hashlib.sha256()
        for number in range(len(self)):
            found.update(self.shard(number).token_id.tobytes())
        return found.hexdigest()


_ABOUT = ("first_document", "document_id", "document_type")


def _file(folder: Path, number: int) -> Path:
    return folder / f"sequences-{number:06d}.npz"


@dataclass
class _Shard:
    """A shard in the making."""

    folder: Path
    number: int
    first_document: int
    tokens: list[list[int]] = field(default_factory=list)
    special: list[list[bool]] = field(default_factory=list)
    document: list[int] = field(default_factory=list)
    document_id: list[str] = field(default_factory=list)
    document_type: list[str] = field(default_factory=list)

    def begin(self, document_id: str, document_type: str) -> None:
        self.document_id.append(document_id)
        self.document_type.append(document_type)

    def add(self, ids: list[int], special: list[bool]) -> None:
        self.tokens.append(ids)
        self.special.append(special)
        self.document.append(self.first_document + len(self.document_id) - 1)

    def write(self, state: dict[str, Any]) -> _Shard:
        """Write it and return the next one."""
        about = {name: getattr(self, name) for name in _ABOUT} | {"state": state}
        arrays = {
            "token_id": np.asarray([token for ids in self.tokens for token in ids], dtype=np.int32),
            "is_special": np.asarray([mark for marks in self.special for mark in marks], dtype=bool),
            "length": np.asarray([len(ids) for ids in self.tokens], dtype=np.int32),
            "document": np.asarray(self.document, dtype=np.int32),
            # As bytes: an array of objects would be pickled, and pickles are not read.
            "about": np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
        }
        write_whole(_file(self.folder, self.number), arrays)
        return _Shard(self.folder, self.number + 1, self.first_document + len(self.document_id))


def write_corpus(
    folder: Path,
    sources: list[Source],
    sequences: Sequences,
    roots: Roots,
    tokenizer: Any,
    progress: Progress,
) -> None:
    """Tokenize documents in the order of their sources, and write their sequences in shards of whole documents.

    Documents without a token are counted and left out; so are those too short for a window. What the last shard of an
    earlier run says is where this one goes on.

    Raises
    ------
    ParameterError
        If a source of chats needs a template that the tokenizer lacks.
    DataValueError
        If no document is left, or one is not what its source says.
    """
    check_templates(sources, tokenizer)
    state = Corpus(folder).state() or {"source": 0, "read": 0, "documents": 0, "counts": {}}
    shard = _Shard(folder, len(Corpus(folder)), state["documents"])
    for number in range(state["source"], len(sources)):
        source = sources[number]
        # Documents already read are skipped in the source at which an earlier run stopped, and in no later one.
        state |= {"source": number, "read": state["read"] if number == state["source"] else 0}
        tally = state["counts"].setdefault(source.name, _nothing() | how_read(source, tokenizer))
        meter = Meter(progress, f"text: {source.name}", "documents", source.documents, state["read"])
        with quiet():
            for pieces, row in _documents(source, sequences, roots, tokenizer, folder, state, tally):
                shard.begin(row["document_id"], str(row.get("document_type") or source.document_type))
                for piece in pieces:
                    shard.add(*piece)
                state["documents"] += 1
                # Between documents only: a shard holds whole documents, so a run that goes on begins with a new one.
                if len(shard.tokens) >= SHARD_SEQUENCES:
                    shard = shard.write(state)
                    meter(state["read"])
    if shard.tokens:
        shard.write(state)
    _finish(folder, state["counts"])
    if not len(Corpus(folder)):
        counts = ", ".join(f"{name}: {tally['documents']} documents" for name, tally in state["counts"].items())
        raise DataValueError(
            f"sources: no document has enough tokens for a sequence ({counts}); check the text or shorten"
            " sequences.length"
        )


def _nothing() -> dict[str, Any]:
    return {"documents": 0, "documents_used": 0, "empty_documents": 0, "sequences": 0, "dropped_tokens": 0}


def _documents(
    source: Source,
    sequences: Sequences,
    roots: Roots,
    tokenizer: Any,
    folder: Path,
    state: dict[str, Any],
    tally: dict[str, Any],
) -> Iterator[tuple[list[tuple[list[int], list[bool]]], dict[str, Any]]]:
    """Yield the sequences of each document that has any, with their special tokens, and the document; counts all."""
    prefix, suffix = surrounding_tokens(tokenizer, sequences)
    inside = special_ids(source, tokenizer)
    content = sequences.length - len(prefix) - len(suffix)
    # The folder has a number, as the name of a source may lead out of this one.
    for row in stream_source(source, roots, folder / f"source-{state['source']}", sequences.seed, state["read"]):
        ids = document_tokens(row, tokenizer, prefix, suffix)
        if sequences.cut == "start":
            bodies = [ids[:content]] if ids else []
        else:
            # Seeded by the number of the document: a build that goes on draws what one without a stop would have drawn.
            chosen = draw(len(ids) // content, source.sequences_per_document, [sequences.seed, state["read"]])
            bodies = [ids[index * content : (index + 1) * content] for index in chosen]
        state["read"] += 1
        tally["documents"] += 1
        tally["empty_documents"] += not ids
        tally["dropped_tokens"] += len(ids) - sum(map(len, bodies))
        if bodies:
            tally["documents_used"] += 1
            tally["sequences"] += len(bodies)
            yield [surrounded(prefix, body, suffix, inside) for body in bodies], row


def write_table(folder: Path, table: SequenceTable) -> None:
    """Write drawn sequences in shards, in their order."""
    shard = _Shard(folder, 0, 0, document_id=table.document_id, document_type=table.document_type)
    for low in range(0, len(table.document), SHARD_SEQUENCES):
        rows = slice(low, low + SHARD_SEQUENCES)
        for ids, special in zip(table.token_id[rows].tolist(), table.is_special[rows].tolist(), strict=True):
            shard.add(ids, special)
        shard.document = table.document[rows].tolist()
        shard = shard.write({})
    _finish(folder, table.counts)


def _finish(folder: Path, counts: dict[str, dict[str, Any]]) -> None:
    write_whole(folder / _COUNTS, json.dumps(counts).encode())
