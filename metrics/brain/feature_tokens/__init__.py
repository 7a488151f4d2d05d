"""Tokens that each feature goes with, and how often it fires in documents of each type."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.errors import ParameterError
from saegeom_data.metrics.brain._shared.document_types import document_types as known_types
from saegeom_data.metrics.brain._shared.fired import (
    ENTRIES_AT_ONCE,
    ENTRY_BYTES,
    checked_documents,
    codes_beside,
    fired_pieces,
)
from saegeom_data.metrics.brain._shared.vocabulary_texts import texts, vocabulary_of
from saegeom_data.metrics.brain.feature_tokens import _association as association
from saegeom_data.metrics.brain.feature_tokens._counts import (
    MOST_FEATURES_BY_DOCUMENTS,
    Counts,
    Table,
    added,
    combined,
    fired_key,
    table_of,
    totals,
    words_key,
)
from saegeom_data.metrics.brain.feature_tokens._outputs import BY_NAME, OUTPUTS
from saegeom_data.metrics.brain.feature_tokens.guidance import GUIDANCE
from saegeom_data.testing.simulate import simulate_text
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

_FOUND = tuple(name for name in BY_NAME if name not in ("q", "text_by_mean", "text_by_odds"))
# Of a feature, token and document in a table: a key and two sums. Tables are merged beside their parts.
_ENTRY_BYTES, _COPIES = 24, 6
# Features are counted in as many groups as keep the table of one below that.
_GROUP_BYTES = 2**28


def _own_words() -> xr.Dataset:
    return simulate_text(n_features=1, n_documents=40, rate=0.0, strength=1.0)


@metric(
    version=1,
    scale="brain",
    inputs=(*schema.CODES, *schema.TEXT),
    optional=(schema.vocabulary_token,),
    outputs=OUTPUTS,
    invariances={"scale": tuple(name for name in BY_NAME if name != "mean_activation")},
    pattern="rows",
    reference="log-odds against the rest: Monroe et al. 2008; p within documents: Cochran 1954, Hoeffding 1956",
    presentation="saegeom_data.metrics.brain.feature_tokens.presentation:PRESENTATION",
    quick={"n_ranks": 4},
    anchors=(
        Anchor(
            "a feature that fires on one word whenever it is there",
            _own_words,
            {"token_by_mean": (0, 0), "token_by_odds": (0, 0), "p": (0, 1e-4), "q": (0, 1e-3)},
            {"n_ranks": 1},
        ),
    ),
    guidance=GUIDANCE,
)
def feature_tokens(
    sae: xr.Dataset,
    *,
    n_ranks: Annotated[int, Field(ge=1, le=1000)] = 10,
    least: Annotated[int, Field(ge=1)] = 5,
    threshold: Annotated[float, Field(ge=0)] = 0.0,
    document_types: tuple[str, ...] | None = None,
) -> xr.Dataset:
    r"""List the tokens that each feature fires on, by mean activation and by odds against the rest, with chance beside.

    For a feature that fires on :math:`n_f` of n tokens, and a token that is there :math:`n_v` times, a of them with the
    feature on, the log-odds are :math:`\ln\frac{(a + ½)(n - n_f - n_v + a + ½)}{(n_f - a + ½)(n_v - a + ½)}`. The null
    is that in each document the feature fires on any tokens of it alike; p is the probability of as many documents in
    which it fires on that token, at most (a bound by a binomial law). So topics that bring both into the same documents
    are no evidence, nor are many tokens of one document. q is the false discovery rate of Benjamini and Hochberg over
    all features that fire and all tokens that are there.

    Parameters
    ----------
    sae
        Codes ``data``, ``indices``, ``indptr``, the text ``token_id``, ``token_document``, ``token_position``,
        ``token_is_special`` and ``type_of_document``, and where there is one ``vocabulary_token``.
    n_ranks
        Tokens of each list.
    least
        How often a token must be in the text to have a mean activation.
    threshold
        Activation above which a feature fires, in the units of the codes.
    document_types
        Names of all types. By default the attribute ``text_types`` of the dataset, or else the types themselves where
        they are held in memory.

    Returns
    -------
    xarray.Dataset
        ``n_fired`` and ``n_documents`` (features); over (features, ranks) ``token_by_mean``, ``mean_activation``,
        ``text_by_mean``, and ``token_by_odds``, ``log_odds``, ``documents_with_both``, ``p``, ``q``, ``text_by_odds``;
        ``type_rate`` and ``type_rate_error`` (features, document_type). Tokens that the tokenizer added are left out.

    Raises
    ------
    ParameterError
        If the types are unknown and lazy.
    DataValueError
        If codes and text differ in their numbers of tokens, or an entry names no feature or document.

    Notes
    -----
    The codes are read once where their counts by feature, token and document fit into 256 MiB, and else once for each
    group of features. A feature that fires on runs of neighbouring tokens has p that are larger than they need be.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_text
    >>> found = feature_tokens(simulate_text(strength=1.0, rate=0.02), n_ranks=2)
    >>> found.text_by_odds[7, 0].item(), bool(found.q[7, 0] < 0.001)
    (' word7', True)
    """
    codes = codes_beside(sae)
    types = known_types(sae, document_types, attribute="text_types", variable="type_of_document")
    n_features = int(codes.attrs["shape"][1])
    n_documents = sae.sizes["documents"]
    if n_features * n_documents > MOST_FEATURES_BY_DOCUMENTS:
        raise ParameterError(f"got {n_features} features and {n_documents} documents, expected a product below 2**42")
    n_groups = min(n_features, max(1, -(-_ENTRY_BYTES * sae.sizes["nonzeros"] // _GROUP_BYTES)))
    bounds = np.linspace(0, n_features, n_groups + 1).astype(int).tolist()
    kind = lazy.whole(
        partial(_kinds, types=types),
        sae.type_of_document,
        outputs={"kind": lazy.Result(("documents",), (n_documents,), "int64")},
        memory=lazy.Memory(finish=150 * n_documents),
        work=lazy.Work(steps=500 * n_documents, calls=200),
    )
    groups = [
        _group(sae, codes, kind.kind, (first, stop), n_ranks, least, threshold, len(types))
        for first, stop in pairwise(bounds)
    ]
    ranked = {"features": n_features, "ranks": n_ranks}
    names = ("q", "text_by_mean", "text_by_odds")
    words = lazy.whole(
        _named,
        p=[group.p for group in groups],
        n_tests=[group.n_tests for group in groups],
        by_mean=[group.token_by_mean for group in groups],
        by_odds=[group.token_by_odds for group in groups],
        outputs={name: BY_NAME[name].result(ranked) for name in names},
        memory=lazy.Memory(finish=200 * n_features * n_ranks),
        # Words are looked up in Python.
        work=lazy.Work(sorting=lazy.ordering(n_features * n_ranks), calls=4 * n_features * n_ranks),
        **vocabulary_of(sae),
    )
    import xarray as xr

    found = xr.concat([group[list(_FOUND)] for group in groups], "features", data_vars="all", coords="minimal")
    result = found.assign({name: words[name] for name in names})[list(BY_NAME)]
    return result.assign_coords(document_type=np.array(types, dtype=object))


def _group(
    sae: xr.Dataset,
    codes: xr.Dataset,
    kind: xr.DataArray,
    features: tuple[int, int],
    n_ranks: int,
    least: int,
    threshold: float,
    n_types: int,
) -> xr.Dataset:
    """Outputs of some features, lazy, and the number of their tests."""
    n, n_entries = features[1] - features[0], sae.sizes["nonzeros"]
    share = n / int(codes.attrs["shape"][1])
    entries = min(n_entries, _GROUP_BYTES // _ENTRY_BYTES)
    table = _ENTRY_BYTES * entries + 24 * sae.sizes["tokens"]
    sizes = {"features": n, "ranks": n_ranks, "document_type": n_types}
    outputs = {name: BY_NAME[name].result(sizes) for name in _FOUND}
    found: xr.Dataset = lazy.rows(
        partial(_chunk, codes=codes, features=features, threshold=threshold),
        _combine,
        partial(_finalize, n_features=n, n_ranks=n_ranks, least=least, n_types=n_types),
        sae.token_id,
        sae.token_document,
        sae.token_is_special,
        also=[kind],
        outputs={**outputs, "n_tests": lazy.Result()},
        memory=lazy.Memory(task=ENTRY_BYTES * ENTRIES_AT_ONCE + _COPIES * table, partial=table, finish=_COPIES * table),
        # Every group reads all entries, ranks its own by feature and token, and ranks them again where parts meet.
        work=lazy.Work(
            passes=40 * n_entries,
            sorting=10 * lazy.ordering(n_entries * share),
            functions=20 * n_entries * share,
            calls=2000,
        ),
    )
    return found


def _kinds(type_of_document: Array, *, types: tuple[str, ...]) -> lazy.Arrays:
    """Place among ``types`` of the type of each document (documents,); -1 for one that is not among them."""
    places = {name: index for index, name in enumerate(types)}
    return {"kind": np.array([places.get(str(name), -1) for name in type_of_document], np.int64)}


def _chunk(
    start: int,
    token_id: Array,
    document: Array,
    is_special: Array,
    kind: Array,
    *,
    codes: xr.Dataset,
    features: tuple[int, int],
    threshold: float,
) -> tuple[Counts, Array]:
    """Counts of a block of tokens, and the types of all documents, which the last step needs."""
    document = checked_documents(document, len(kind)).astype(np.int64)
    ordinary, n_documents = ~is_special, len(kind)
    token_id = token_id.astype(np.int64)
    words = table_of(words_key(token_id[ordinary], document[ordinary], n_documents), np.ones(int(ordinary.sum())))
    # As a binary counter: tables of like size are merged, so that each entry is moved a few times only.
    held: list[tuple[int, Table]] = []
    for row, feature, value in fired_pieces(codes, start, is_special, threshold):
        mine = (feature >= features[0]) & (feature < features[1])
        row, feature, value = row[mine], feature[mine] - features[0], value[mine]
        key = fired_key(feature, token_id[row], document[row], n_documents)
        table, size = table_of(key, np.ones(len(key)), value), 1
        while held and held[-1][0] <= size:
            before, other = held.pop()
            table, size = added([other, table]), before + size
        held.append((size, table))
    none = table_of(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    return Counts(added([none, *(table for _, table in held)]), words), kind


def _combine(parts: Sequence[tuple[Counts, Array]]) -> tuple[Counts, Array]:
    return combined([counts for counts, _ in parts]), parts[0][1]


def _finalize(part: tuple[Counts, Array], *, n_features: int, n_ranks: int, least: int, n_types: int) -> lazy.Arrays:
    """Outputs (features, ...) of the features of a group."""
    counts, kind = part
    held = totals(counts, len(kind))
    pairs, n = association.pairs_of(held)
    means = association.by_mean(pairs, n_features, n_ranks, least)
    odds = association.by_odds(pairs, n, held, n_features, n_ranks)
    feature, _ = held.of_documents()
    fired = np.bincount(feature, held.by_document.columns[:, 0], n_features).astype(np.int64)
    n_words = len(np.unique(held.of_words()[0]))
    rate, error = association.rates(held, kind, n_types, n_features)
    return {
        "n_fired": fired,
        "n_documents": np.bincount(feature, minlength=n_features),
        "token_by_mean": means.token,
        "mean_activation": means.columns[0],
        "token_by_odds": odds.token,
        "log_odds": odds.columns[0],
        "p": odds.columns[1],
        "documents_with_both": odds.columns[2],
        "type_rate": rate,
        "type_rate_error": error,
        "n_tests": float((fired > 0).sum() * n_words),
    }


def _named(
    p: list[Array], n_tests: list[Array], by_mean: list[Array], by_odds: list[Array], vocabulary: Array | None = None
) -> lazy.Arrays:
    """False discovery rates (features, ranks) over all groups, and texts of tokens."""
    return {
        "q": association.q_values(np.concatenate(p), float(sum(n_tests))),
        "text_by_mean": texts(np.concatenate(by_mean), vocabulary),
        "text_by_odds": texts(np.concatenate(by_odds), vocabulary),
    }
