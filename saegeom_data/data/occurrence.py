"""Occurrence: in which blocks of text each feature fires, derived from codes block by block as it is needed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.data import schema
from saegeom_data.data.codes import CodesPiece, codes_pieces, codes_shape, refuse_other_than_group
from saegeom_data.data.text.text_blocks import PartialBlocks, TextBlocks, block_of, check_variables, cut_blocks
from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.lazy import block_bytes
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

# Entries that a task holds at a time: 8 MB of single precision.
_ENTRIES_AT_ONCE = 2**20
# Rows between two blocks that are read along with them rather than by a request of their own.
_ROWS_BETWEEN = 4096


def occurrence_from_codes(
    codes: xr.Dataset,
    tokens: xr.Dataset,
    documents: xr.Dataset,
    *,
    threshold: float = 0.0,
    block_length: int = 256,
    partial_blocks: PartialBlocks = "drop",
    max_blocks_per_document: int | None = None,
) -> xr.Dataset:
    """Derive in which blocks of text each feature fires, from the codes of an SAE.

    Feature i is on in block b if a_ti > threshold for any token t of b. A block is ``block_length`` consecutive tokens
    of one sequence of one document; special tokens neither fire nor count towards its length.

    Parameters
    ----------
    codes
        The CSR group of an SAE, one row per token, as :func:`saegeom_data.data.codes.codes_group` makes it.
    tokens
        ``document`` and ``is_special`` (tokens), and ``position`` if there is one. A sequence ends where the document
        changes and where the position does not rise: what follows in the store need not follow in the text.
    documents
        ``document_type`` (documents).
    threshold
        Activation above which a feature fires, in the units of the codes; compared without rounding.
    block_length
        Tokens of a block, special ones not counted.
    partial_blocks
        What becomes of the last block of a sequence if it is shorter: ``"drop"`` or ``"keep"``.
    max_blocks_per_document
        How many blocks of a document are kept, in the order of its tokens; all by default.

    Returns
    -------
    xarray.Dataset
        ``occurrence`` (blocks, features) bool, lazy, in the order of the tokens, in chunks of rows that fit
        :func:`saegeom_data.lazy.block_bytes`; ``document`` and ``document_type`` (blocks), in memory. Attributes
        are the settings, and counts of what was left out: ``n_documents_dropped`` (documents without a block),
        ``n_tokens_dropped`` (tokens in no block, special ones not counted) and, left out of nothing,
        ``n_documents_apart`` (documents whose tokens do not stand together; each stretch is cut by itself).

    Raises
    ------
    ValidationError
        If a variable is missing or not as declared.
    ParameterError
        If a setting is out of range, such as a threshold that is negative, NaN or infinite, or if no block is left; the
        message names the block length and the longest document.
    DataValueError
        If tokens and codes differ in number, a token is of no document, or all tokens are special. When computed: if
        row bounds do not rise, or an entry inside a block is NaN or names a feature past the width.

    Notes
    -----
    Entries of a row may stand in any order, and those of one feature add up, as CSR means them. Codes outside the
    blocks are not looked at. Documents, positions and mask of the tokens are read at once, in pieces of a million;
    codes only when the result is computed, where each task reads the rows of its own blocks, a million entries at a
    time, and holds them and about 16 bytes a token beside its rows of booleans. Cost: one pass over the entries.

    The published settings are ``threshold=1`` and ``block_length=256``: documents of 1,024 tokens, one of them special,
    have three full blocks.

    References
    ----------
    Li et al. 2025, section 4.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> import xarray as xr
    >>> from saegeom_data.data.codes import codes_group
    >>> codes = codes_group(sp.csr_matrix(np.eye(5, dtype="float32")))
    >>> special = np.array([True, False, False, False, False])
    >>> tokens = xr.Dataset({"document": ("tokens", np.zeros(5, int)), "is_special": ("tokens", special)})
    >>> documents = xr.Dataset({"document_type": ("documents", ["speech"])})
    >>> found = occurrence_from_codes(codes, tokens, documents, block_length=2)
    >>> found.occurrence.values.astype(int).tolist()
    [[0, 1, 1, 0, 0], [0, 0, 0, 1, 1]]
    """
    blocks = cut_blocks(
        tokens,
        documents,
        block_length=block_length,
        partial_blocks=partial_blocks,
        max_blocks_per_document=max_blocks_per_document,
    )
    return occurrence_in_blocks(codes, blocks, threshold=threshold)


def occurrence_in_blocks(
    codes: xr.Dataset, blocks: TextBlocks, *, threshold: float = 0.0, where: str = "codes"
) -> xr.Dataset:
    """Derive the occurrence of :func:`occurrence_from_codes` in blocks that are cut already.

    Parameters
    ----------
    codes
        The CSR group of an SAE over (tokens, features).
    blocks
        Blocks of the same tokens.
    threshold
        Activation above which a feature fires, in the units of the codes.
    where
        Path of the codes, by which errors name them.
    """
    import dask.array as da
    import xarray as xr
    from dask.base import tokenize
    from dask.highlevelgraph import HighLevelGraph

    n_features = checked_width(codes, blocks.n_tokens, where)
    if not (math.isfinite(threshold) and threshold >= 0):
        raise ParameterError(f"threshold: got {threshold}, expected a finite number of at least 0")
    chunked = codes[["data", "indices", "indptr"]].chunk()
    sources = [variable.data.name for variable in chunked.data_vars.values()]
    n_rows = max(1, block_bytes() // max(1, n_features))
    cut = (blocks.first, blocks.stop, blocks.skipped)
    # A name that says what is derived, so that two metrics that need the same occurrence share its tasks.
    name = f"occurrence-{tokenize(*sources, *cut, blocks.n_tokens, n_features, threshold, n_rows)}"
    tasks: dict[Any, Any] = {}
    sizes: list[int] = []
    for low in range(0, len(blocks.first), n_rows):
        first, stop = blocks.first[low : low + n_rows], blocks.stop[low : low + n_rows]
        skipped = _between(blocks.skipped, first[0], stop[-1])
        tasks[name, len(sizes), 0] = (_Derive(chunked, first, stop, skipped, float(threshold), where),)
        sizes.append(len(first))
    graph = HighLevelGraph.from_collections(name, tasks)
    occurrence = da.Array(graph, name, (tuple(sizes), (n_features,)), dtype=np.dtype(bool))
    return xr.Dataset(
        {
            "occurrence": (("blocks", "features"), occurrence),
            "document": ("blocks", blocks.document),
            "document_type": ("blocks", blocks.document_type),
        },
        attrs={"threshold": float(threshold), **blocks.attrs},
    )


class _Derive:
    """Derives consecutive blocks inside one task: occurrence (blocks, features) bool.

    It carries the codes as lazy arrays, which any process can open.
    """

    def __init__(
        self, codes: xr.Dataset, first: Array, stop: Array, skipped: Array, threshold: float, where: str
    ) -> None:
        self.codes = codes
        self.first = first
        self.stop = stop
        self.skipped = skipped
        self.threshold = threshold
        self.where = where
        self.n_features = int(codes.attrs["shape"][1])

    def __call__(self) -> Array:
        on = np.zeros((len(self.first), self.n_features), bool)
        # Rows of a wide gap between two blocks are not read.
        ends = np.append(np.flatnonzero(self.first[1:] - self.stop[:-1] > _ROWS_BETWEEN), len(self.first) - 1)
        starts = np.append(0, ends[:-1] + 1)
        for start, stop in zip(self.first[starts].tolist(), self.stop[ends].tolist(), strict=True):
            for piece in codes_pieces(self.codes, start, stop, _ENTRIES_AT_ONCE, self.where):
                self._mark(on, piece)
        return on

    def _mark(self, on: Array, piece: CodesPiece) -> None:
        """Set ``on`` (blocks, features) where an entry of the piece is above the threshold."""
        from saegeom_data.data._occurrence_numba import mark

        stop = piece.start + len(piece.bounds) - 1
        block = block_of(np.arange(piece.start, stop), self.first, self.stop)
        block[_between(self.skipped, piece.start, stop) - piece.start] = -1
        # Codes are mostly in order, so they are marked as they are; only what stops is sorted and summed, and tried
        # again.
        if mark(on, block, piece.bounds, piece.data, piece.indices, self.threshold) >= 0:
            # Rows that are marked by now are marked once more, to no effect.
            piece = _canonical(self._checked(piece, block), block, self.n_features)
            if mark(on, block, piece.bounds, piece.data, piece.indices, self.threshold) >= 0:
                self._checked(piece, block)

    def _checked(self, piece: CodesPiece, block: Array) -> CodesPiece:
        """Refuse entries of blocks that are NaN or name no feature."""
        row = np.repeat(np.arange(len(block)), np.diff(piece.bounds))
        unknown = (piece.indices < 0) | (piece.indices >= self.n_features)
        for entry in np.flatnonzero((block[row] >= 0) & (unknown | np.isnan(piece.data)))[:1]:
            token, feature = piece.start + row[entry], piece.indices[entry]
            if unknown[entry]:
                expected = f"expected 0 to {self.n_features - 1}; fetch the store again"
                raise DataValueError(f"{self.where}/indices: token {token} names feature {feature}, {expected}")
            raise DataValueError(f"{self.where}/data: token {token}, feature {feature}: got nan; encode it again")
        return piece


def checked_width(codes: xr.Dataset, n_tokens: int, where: str) -> int:
    """Features of the codes; raises if they are no codes of so many tokens."""
    refuse_other_than_group(codes, where)
    check_variables(codes, where, schema.CODES)
    found, n_features = codes_shape(codes, where)
    if found != n_tokens:
        raise DataValueError(f"{where}: got rows for {found} tokens, expected {n_tokens} as in tokens; encode all")
    return n_features


def _between(rows: Array, start: int, stop: int) -> Array:
    """Those of some rising rows that lie from ``start`` to ``stop``, without ``stop``."""
    low, high = np.searchsorted(rows, (start, stop))
    return rows[low:high]


def _canonical(piece: CodesPiece, block: Array, n_features: int) -> CodesPiece:
    """Rows of blocks, sorted and with duplicate features added up; rows of no block lose their entries.

    ``block`` (rows,) is the block of each row of the piece, -1 for none.
    """
    import scipy.sparse as sp

    counts = np.diff(piece.bounds)
    inside = np.repeat(block >= 0, counts)
    bounds = np.append(0, np.cumsum(np.where(block >= 0, counts, 0)))
    csr = sp.csr_matrix((piece.data[inside], piece.indices[inside], bounds), shape=(len(block), n_features))
    # Two entries of one feature may each be below the threshold, and their sum above it.
    csr.sum_duplicates()
    return CodesPiece(piece.start, csr.indptr.astype(np.int64), csr.data, csr.indices)
