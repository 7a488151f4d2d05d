"""Blocks of text: the tokens that each is made of, found from documents, positions and the mask of special tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from saegeom_data.data import group_kinds, schema
from saegeom_data.errors import DataValueError, ParameterError, ValidationError
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

PartialBlocks = Literal["drop", "keep"]

# Tokens of which document, position and mask are held at a time.
_TOKENS_AT_ONCE = 2**20


@dataclass(frozen=True)
class TextBlocks:
    """Blocks of text.

    Parameters
    ----------
    first, stop
        (blocks) int64, rising: the first token of each block and one past its last.
    skipped
        Special tokens that stand inside blocks, rising.
    document, document_type
        (blocks): index and type of each block's document.
    place
        (blocks) int64: place of each block in its sequence, from 0.
    n_tokens
        Tokens of the text, in blocks or not.
    attrs
        How the blocks were cut, and what was left out.
    """

    first: Array
    stop: Array
    skipped: Array
    document: Array
    document_type: Array
    place: Array
    n_tokens: int
    attrs: Mapping[str, Any]


class _Piece(NamedTuple):
    """Whole sequences: the first token, and for each token its document, the mask and whether a sequence begins."""

    first: int
    document: Array
    is_special: Array
    begins: Array


class _Cut(NamedTuple):
    """All blocks of a piece, partial ones too, and what else is to be known of it.

    ``stretches`` are the documents in the order of the text, each once for every stretch of tokens that it has.
    """

    first: Array
    stop: Array
    length: Array
    document: Array
    place: Array
    special: Array
    stretches: Array
    longest: int


def cut_blocks(
    tokens: xr.Dataset,
    documents: xr.Dataset,
    *,
    block_length: int = 256,
    partial_blocks: PartialBlocks = "drop",
    max_blocks_per_document: int | None = None,
) -> TextBlocks:
    """Cut a text into blocks; one cut serves all SAEs over the same tokens.

    Parameters, what is left out, and errors are those of :func:`saegeom_data.occurrence_from_codes`.
    """
    _check_settings(block_length, partial_blocks, max_blocks_per_document)
    check_variables(tokens, "tokens", (schema.token_document, schema.is_special), (schema.token_position,))
    check_variables(documents, "documents", (schema.document_type,))
    cuts = [_cut(piece, block_length) for piece in _pieces(tokens, documents.sizes["documents"])]
    if not any(len(cut.first) for cut in cuts):
        raise DataValueError(f"tokens: {tokens.sizes['tokens']} in all, none that is not special; add text")
    first, stop, length, document, place, special, stretches = (
        np.concatenate(arrays) for arrays in list(zip(*cuts, strict=True))[:7]
    )
    keep = length == block_length if partial_blocks == "drop" else np.ones(len(length), bool)
    if max_blocks_per_document is not None:
        keep[keep] = _rank_within(document[keep]) < max_blocks_per_document
    if not keep.any():
        longest = max(cut.longest for cut in cuts)
        raise ParameterError(
            f"block_length: got {block_length}, but the longest document has {longest} tokens in one sequence, special"
            f" ones not counted, so no block is left; lower it to at most {longest}, or keep partial blocks"
        )
    # Pieces of the text end anywhere in a document, whose stretch is then listed twice in a row.
    _, runs = np.unique(stretches[np.diff(stretches, prepend=-1) != 0], return_counts=True)
    settings = {"block_length": int(block_length), "partial_blocks": partial_blocks}
    if max_blocks_per_document is not None:
        settings["max_blocks_per_document"] = int(max_blocks_per_document)
    dropped = {
        "n_documents_dropped": len(runs) - len(np.unique(document[keep])),
        "n_tokens_dropped": int(length.sum() - length[keep].sum()),
        "n_documents_apart": int((runs > 1).sum()),
    }
    first, stop, document = first[keep], stop[keep], document[keep]
    return TextBlocks(
        first,
        stop,
        special[block_of(special, first, stop) >= 0],
        document,
        documents["document_type"].values[document],
        place[keep],
        tokens.sizes["tokens"],
        settings | dropped,
    )


def block_of(rows: Array, first: Array, stop: Array) -> Array:
    """Block of each row, -1 for rows in none.

    Parameters
    ----------
    rows
        (n,) int64.
    first, stop
        (blocks,) int64, rising and apart: the first row of each block and one past its last.

    Returns
    -------
    numpy.ndarray
        (n,) int64.
    """
    # Rows before the first block get -1 from the search, whose stop is the last block's: they stay -1.
    block = np.searchsorted(first, rows, side="right") - 1
    block[rows >= stop[block]] = -1
    return block


def check_variables(
    dataset: xr.Dataset, where: str, required: tuple[schema.Variable, ...], optional: tuple[schema.Variable, ...] = ()
) -> None:
    """Raise :class:`ValidationError` with all that is wrong with the variables of a group."""
    if not hasattr(dataset, "data_vars"):
        raise ParameterError(f"{where}: got {type(dataset).__name__}, expected a group of a store; name its dims")
    problems = list(group_kinds.DatasetKind(where, where, required, optional).problems(dataset, where))
    if problems:
        raise ValidationError(problems)


def _check_settings(block_length: int, partial_blocks: str, max_blocks_per_document: int | None) -> None:
    counts = {"block_length": block_length, "max_blocks_per_document": max_blocks_per_document}
    for name, count in counts.items():
        if count is not None and (isinstance(count, bool) or not hasattr(count, "__index__") or count < 1):
            raise ParameterError(f"{name}: got {count!r}, expected a whole number of at least 1")
    if partial_blocks not in get_args(PartialBlocks):
        raise ParameterError(f"partial_blocks: got {partial_blocks!r}, expected 'drop' or 'keep'")


def _pieces(tokens: xr.Dataset, n_documents: int) -> Iterator[_Piece]:
    """Read the text in pieces that end where a sequence does."""
    names = [name for name in ("document", "is_special", "position") if name in tokens.variables]
    held = [np.zeros(0, tokens[name].dtype) for name in names]
    n_tokens, first = tokens.sizes["tokens"], 0
    for start in range(0, n_tokens, _TOKENS_AT_ONCE):
        read = tokens[names].isel(tokens=slice(start, start + _TOKENS_AT_ONCE)).compute()
        held = [np.concatenate([rest, read[name].values]) for rest, name in zip(held, names, strict=True)]
        document = held[0]
        wrong = np.flatnonzero((document < 0) | (document >= n_documents))
        if len(wrong):
            got = f"token {first + wrong[0]} is of document {document[wrong[0]]}"
            raise DataValueError(f"tokens/document: {got}, expected 0 to {n_documents - 1}; fix the index")
        begins = np.ones(len(document), bool)
        begins[1:] = document[1:] != document[:-1]
        for position in held[2:]:
            # A document may be several sequences, each of which a model reads by itself.
            begins[1:] |= position[1:] <= position[:-1]
        is_last = start + _TOKENS_AT_ONCE >= n_tokens
        end = len(document) if is_last else int(np.flatnonzero(begins)[-1])
        yield _Piece(first, document[:end], held[1][:end], begins[:end])
        # What follows the last beginning may go on in the next read, and is cut with it.
        held, first = [array[end:] for array in held], first + end


def _cut(piece: _Piece, block_length: int) -> _Cut:
    """Cut whole sequences into blocks of ``block_length`` ordinary tokens, the last of a sequence may be shorter.

    All arrays of the piece are over its tokens. Let r be the rank of an ordinary token in its sequence, from 0: a block
    begins where r is a multiple of ``block_length``, and ends before the next one or with the sequence.
    """
    document = piece.document.astype(np.int64)
    ordinary = np.flatnonzero(~piece.is_special)
    sequence = np.cumsum(piece.begins)[ordinary]
    starts = np.flatnonzero(np.diff(sequence, prepend=0))
    lengths = np.diff(starts, append=len(ordinary))
    rank = np.arange(len(ordinary)) - np.repeat(starts, lengths)
    heads = np.flatnonzero(rank % block_length == 0)
    length = np.diff(heads, append=len(ordinary))
    return _Cut(
        first=piece.first + ordinary[heads],
        stop=piece.first + ordinary[heads + length - 1] + 1,
        length=length,
        document=document[ordinary[heads]],
        place=rank[heads] // block_length,
        special=piece.first + np.flatnonzero(piece.is_special),
        stretches=document[np.diff(document, prepend=-1) != 0],
        longest=int(lengths.max(initial=0)),
    )


def _rank_within(label: Array) -> Array:
    """For each entry of ``label`` (n,), how many earlier entries have the same label: (n,) int64."""
    # Stable, as entries of one label are counted in the order in which they stand.
    order = np.argsort(label, kind="stable")
    ranked = label[order]
    starts = np.flatnonzero(np.diff(ranked, prepend=-1))
    rank = np.empty(len(label), np.int64)
    rank[order] = np.arange(len(label)) - np.repeat(starts, np.diff(starts, append=len(label)))
    return rank
