"""From documents to sequences: blocks of tokens of one length, each inside one document."""

from __future__ import annotations

import json
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.harvest.recipe_text import Sequences, Source
from saegeom_data.harvest.stages import Progress, write_whole
from saegeom_data.harvest.text.files import draw
from saegeom_data.harvest.text.roots import Roots
from saegeom_data.harvest.text.sources import quiet, stream_source
from saegeom_data.harvest.text.tokens import check_templates, document_tokens, how_read, special_ids

# Sequences that are computed, written and resumed together.
SHARD_SEQUENCES = 128
_ARRAYS = "sequences.npz"
_RECORD = "documents.json"


@dataclass(frozen=True)
class SequenceTable:
    """All sequences of a dataset, in the order in which activations and blocks stand.

    Parameters
    ----------
    token_id
        (sequences, positions) int32.
    is_special
        (sequences, positions) bool: the tokens that the tokenizer or a chat template adds.
    document
        (sequences) int32, index into ``document_id``.
    document_id, document_type
        Name and type of each document.
    held_out
        (sequences) bool: kept from training.
    counts
        For each source: documents, sequences, and tokens dropped as partial sequences.
    """

    token_id: npt.NDArray[np.int32]
    is_special: npt.NDArray[np.bool_]
    document: npt.NDArray[np.int32]
    document_id: list[str]
    document_type: list[str]
    held_out: npt.NDArray[np.bool_]
    counts: dict[str, dict[str, Any]]

    @property
    def length(self) -> int:
        """Tokens of a sequence."""
        return int(self.token_id.shape[1])

    @property
    def sequence_type(self) -> npt.NDArray[np.object_]:
        """Document type of each sequence."""
        return np.asarray(self.document_type, dtype=object)[self.document]

    def subset(self, per_type: int) -> npt.NDArray[np.int64]:
        """Return the first ``per_type`` sequences of each type, in order."""
        types = self.sequence_type
        # The order was shuffled once, so that the first of a type are a random sample of it.
        first = [np.flatnonzero(types == kind)[:per_type] for kind in sorted(set(types))]
        return np.sort(np.concatenate(first))

    def save(self, folder: Path) -> None:
        """Write the table to a folder."""
        names = ("token_id", "is_special", "document", "held_out")
        write_whole(folder / _ARRAYS, {name: getattr(self, name) for name in names})
        record = {"document_id": self.document_id, "document_type": self.document_type, "counts": self.counts}
        write_whole(folder / _RECORD, json.dumps(record).encode())

    @classmethod
    def load(cls, folder: Path) -> SequenceTable:
        """Read a table from a folder."""
        with np.load(folder / _ARRAYS) as arrays:
            return cls(**arrays, **json.loads((folder / _RECORD).read_text()))


def special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the ids that a tokenizer puts before and after a text.

    Raises
    ------
    DataValueError
        If the tokenizer gives no tokens for a text.
    """
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    # Of a text that is surely one ordinary token or more: what stands around it is what the tokenizer adds.
    starts = [i for i in range(len(whole)) if plain and whole[i : i + len(plain)] == plain]
    if not starts:
        raise DataValueError(
            f"{tokenizer.name_or_path}: the tokenizer gives no tokens for a text; check that all its files are there"
        )
    return whole[: starts[0]], whole[starts[0] + len(plain) :]


def surrounding_tokens(tokenizer: Any, sequences: Sequences) -> tuple[list[int], list[int]]:
    """Return the ids that stand before and after the text of a sequence.

    Raises
    ------
    ParameterError
        If they leave no place for text, or a beginning is asked for and the tokenizer has none.
    """
    prefix, suffix = special_tokens(tokenizer)
    if sequences.prepend_bos:
        if tokenizer.bos_token_id is None:
            raise ParameterError(
                "sequences.prepend_bos: the tokenizer has no beginning-of-sequence token; leave it out"
            )
        prefix = prefix if prefix[:1] == [tokenizer.bos_token_id] else [tokenizer.bos_token_id, *prefix]
    if sequences.length <= len(prefix) + len(suffix):
        raise ParameterError(
            f"sequences.length: got {sequences.length}, of which the tokenizer's own tokens take"
            f" {len(prefix) + len(suffix)}; raise it"
        )
    return prefix, suffix


def surrounded(
    prefix: list[int], ids: list[int], suffix: list[int], inside: frozenset[int]
) -> tuple[list[int], list[bool]]:
    """Return a sequence with what stands around it, and which of its tokens are special: those, and some inside.

    Examples
    --------
    >>> surrounded([0], [5, 9], [], frozenset({9}))
    ([0, 5, 9], [True, False, True])
    """
    special = [True] * len(prefix) + [token in inside for token in ids] + [True] * len(suffix)
    return [*prefix, *ids, *suffix], special


def make_sequences(
    folder: Path, sources: list[Source], sequences: Sequences, roots: Roots, tokenizer: Any, progress: Progress
) -> SequenceTable:
    """Tokenize documents and draw sequences, balanced over document types.

    In memory are one document, the sequences that are drawn, and of all others the name of the document alone.

    Parameters
    ----------
    folder
        Holds copies of the text, and until it is done the sequences to draw from, 4 bytes a token.
    sources
        Where the texts come from.
    sequences
        Says length and number of sequences.
    roots
        Folders by name.
    tokenizer
        Tokenizer of ``transformers``.
    progress
        Called with a line about each source.

    Returns
    -------
    SequenceTable
        In an order shuffled once, so that every shard of activations holds all document types.

    Raises
    ------
    ParameterError
        If a source of chats needs a template that the tokenizer lacks.
    DataValueError
        If a document type has no document long enough for a sequence, or a document is not what its source says.
    """
    check_templates(sources, tokenizer)
    prefix, suffix = surrounding_tokens(tokenizer, sequences)
    content = sequences.length - len(prefix) - len(suffix)
    # Numbers of the windows of each type, and the document of each window; their tokens are on disk.
    pools = {source.document_type: array("q") for source in sources if source.document_type is not None}
    document_of = array("q")
    # Source, name and number of each: names need not be different.
    documents: list[tuple[str, str, int]] = []
    inside = {source.name: special_ids(source, tokenizer) for source in sources}
    counts: dict[str, dict[str, Any]] = {}
    chosen = []
    with tempfile.TemporaryFile(dir=folder) as tokens:
        for number, source in enumerate(sources):
            nothing = {"documents": 0, "sequences": 0, "dropped_tokens": 0}
            counts[source.name] = nothing | how_read(source, tokenizer)
            with quiet():
                # By number: a source may have any name, also one that leads out of the folder.
                texts = stream_source(source, roots, folder / f"source-{number}", sequences.seed)
                windows = _windows(
                    source, texts, tokenizer, (prefix, suffix), content, sequences.seed, counts[source.name]
                )
                for kind, document_id, row, ids in windows:
                    if not documents or documents[-1] != (source.name, document_id, row):
                        documents.append((source.name, document_id, row))
                    pools.setdefault(kind, array("q")).append(len(document_of))
                    document_of.append(len(documents) - 1)
                    tokens.write(np.asarray(ids, dtype=np.int32).tobytes())
            progress(f"text: {source.name}, {counts[source.name]['documents']:,} documents")
        # Sorted, as the number is a part of the seed: the order of sources must not change what is drawn of a type.
        for number, (document_type, pool) in enumerate(sorted(pools.items())):
            if not pool:
                raise DataValueError(
                    f"document type {document_type!r}: no document has {content} tokens; shorten sequences.length"
                )
            for index in draw(len(pool), sequences.per_type, [sequences.seed, number]):
                # Every window has as many tokens of 4 bytes, so its number gives its place in the file.
                tokens.seek(4 * content * pool[index])
                window = np.frombuffer(tokens.read(4 * content), dtype=np.int32)
                chosen.append((document_type, *documents[document_of[pool[index]]], window))
    # Windows are drawn type by type; without another order the last shards would hold one type alone.
    order = np.random.default_rng(sequences.seed).permutation(len(chosen))
    return _table(sequences, [chosen[index] for index in order], prefix, suffix, counts, inside)


def _windows(
    source: Source,
    texts: Iterable[dict[str, Any]],
    tokenizer: Any,
    around: tuple[list[int], list[int]],
    content: int,
    seed: int,
    count: dict[str, Any],
) -> Iterator[tuple[str, str, int, list[int]]]:
    """Yield document type, name and number of the document, and tokens of each full window of a source's documents."""
    for number, row in enumerate(texts):
        ids = document_tokens(row, tokenizer, *around)
        count["documents"] += 1
        count["dropped_tokens"] += len(ids) % content
        # By the number of the document, so that a draw does not depend on what other documents hold.
        for index in draw(len(ids) // content, source.sequences_per_document, [seed, number]):
            window = ids[index * content : (index + 1) * content]
            yield str(row.get("document_type") or source.document_type), row["document_id"], number, window


def _table(
    sequences: Sequences,
    chosen: list[tuple[str, str, str, int, npt.NDArray[np.int32]]],
    prefix: list[int],
    suffix: list[int],
    counts: dict[str, dict[str, Any]],
    inside: dict[str, frozenset[int]],
) -> SequenceTable:
    of_sequence = [(kind, source, name, number) for kind, source, name, number, _ in chosen]
    # Sorted, so that the index of a document does not follow from which of its windows was drawn first.
    documents = sorted(set(of_sequence))
    index = {document: number for number, document in enumerate(documents)}
    for source, number in Counter(source for _, source, *_ in chosen).items():
        counts[source]["sequences"] = number
    for source, number in Counter(source for _, source, *_ in documents).items():
        counts[source]["documents_used"] = number
    rows = [surrounded(prefix, ids.tolist(), suffix, inside[source]) for _, source, *_, ids in chosen]
    return SequenceTable(
        token_id=np.asarray([ids for ids, _ in rows], dtype=np.int32),
        is_special=np.asarray([special for _, special in rows], dtype=bool),
        document=np.asarray([index[document] for document in of_sequence], dtype=np.int32),
        document_id=[name for *_, name, _ in documents],
        document_type=[kind for kind, *_ in documents],
        # Every so many in a shuffled order, which needs no further draw.
        held_out=np.arange(len(chosen)) % sequences.held_out == sequences.held_out - 1,
        counts=counts,
    )
