"""Contexts in which each feature fires: the strongest ones, and some of each part of its range."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.metrics.brain._shared.fired import (
    ENTRIES_AT_ONCE,
    ENTRY_BYTES,
    checked_documents,
    codes_beside,
    fired_pieces,
)
from saegeom_data.metrics.brain._shared.vocabulary_texts import vocabulary_of
from saegeom_data.metrics.brain.feature_examples._contexts import (
    as_contexts,
    as_words,
    context_chunk,
    merged_contexts,
)
from saegeom_data.metrics.brain.feature_examples._outputs import BY_NAME, OUTPUTS
from saegeom_data.metrics.brain.feature_examples._shortlist import (
    Entries,
    hash_at_most,
    joined,
    nth_hash,
    nth_value,
    sampled,
    strongest,
)
from saegeom_data.metrics.brain.feature_examples.guidance import GUIDANCE
from saegeom_data.testing.simulate import simulate_text
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

_COLUMNS = 5 * 8


def _one_word() -> xr.Dataset:
    import xarray as xr

    text = simulate_text(n_features=1, n_documents=3, length=4, rate=0.0)
    bounds = xr.DataArray(np.minimum(np.arange(13), 1) * (np.arange(13) > 6), dims="row_bounds")
    return text.isel(nonzeros=slice(0)).assign(
        data=("nonzeros", [2.5]), indices=("nonzeros", [0]), indptr=bounds.assign_attrs(shape=[12, 1])
    )


@metric(
    version=1,
    scale="brain",
    inputs=(*schema.CODES, *schema.TEXT),
    optional=(schema.vocabulary_token,),
    outputs=OUTPUTS,
    invariances={"scale": tuple(name for name in BY_NAME if name != "activation")},
    pattern="rows",
    reference="contexts by activation and by quantile: Bricken et al. 2023, Bills et al. 2023",
    presentation="saegeom_data.metrics.brain.feature_examples.presentation:PRESENTATION",
    quick={"n_top": 3, "quantiles": [0.5], "n_per_quantile": 2},
    anchors=(
        Anchor(
            "one feature that fires once",
            _one_word,
            {"activation": (2.5, 1e-12), "token": (6, 0), "document": (1, 0), "position": (2, 0)},
            {"n_top": 1, "quantiles": [], "n_before": 1, "n_after": 1},
        ),
    ),
    guidance=GUIDANCE,
)
def feature_examples(
    sae: xr.Dataset,
    *,
    n_top: Annotated[int, Field(ge=1, le=1000)] = 10,
    quantiles: tuple[Annotated[float, Field(ge=0, le=1)], ...] = (0.9, 0.7, 0.5, 0.3, 0.1),
    n_per_quantile: Annotated[int, Field(ge=1, le=100)] = 2,
    n_sampled: Annotated[int, Field(ge=1, le=10_000)] = 64,
    n_before: Annotated[int, Field(ge=0, le=1000)] = 12,
    n_after: Annotated[int, Field(ge=0, le=1000)] = 6,
    threshold: Annotated[float, Field(ge=0)] = 0.0,
) -> xr.Dataset:
    """Find contexts in which each feature fires: its strongest tokens, and tokens at quantiles of its activations.

    The strongest are of different documents: of each document the token of the largest activation, and of equal ones
    the first. Quantiles are those of an even sample of the tokens on which the feature fires: the ``n_sampled`` with
    the smallest hashes of feature and token, so that a sample depends on no order and no seed. For a quantile the
    activations that lie nearest to it in rank are taken. Tokens that the tokenizer added are left out.

    Parameters
    ----------
    sae
        Codes ``data``, ``indices``, ``indptr``, the text ``token_id``, ``token_document``, ``token_position``,
        ``token_is_special`` and ``type_of_document``, and where there is one ``vocabulary_token``.
    n_top
        Strongest tokens of each feature.
    quantiles
        Quantiles of activations, in [0, 1], of which contexts are given.
    n_per_quantile
        Tokens for each quantile.
    n_sampled
        Tokens of a feature from which those of quantiles are chosen.
    n_before, n_after
        Tokens of a context before and after the one on which the feature fires.
    threshold
        Activation above which a feature fires, in the units of the codes.

    Returns
    -------
    xarray.Dataset
        Over (features, examples): ``activation``, ``token``, ``document``, ``position``, ``type_of_example``,
        ``text_before``, ``text`` and ``text_after``; ``context_token_id`` (features, examples, places). The first
        ``n_top`` examples are the strongest; the coordinate ``quantile`` (examples) is 1 for them, and else that which
        they are of.

    Raises
    ------
    DataValueError
        If codes and text differ in their numbers of tokens, or an entry names no feature or document.

    Notes
    -----
    One pass over the codes and two over the text, in blocks of tokens of any size. What is kept of a feature is
    bounded by ``n_top`` + ``n_sampled``. Rules are exact, so that chunks change nothing.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_text
    >>> found = feature_examples(simulate_text(strength=1.0, rate=0.0), n_top=3, quantiles=[])
    >>> found.text[7].values.tolist()
    [' word7', ' word7', ' word7']
    """
    codes = codes_beside(sae)
    n_features, n_entries = int(codes.attrs["shape"][1]), codes.sizes["nonzeros"]
    n_examples = n_top + n_per_quantile * len(quantiles)
    n_kept = (n_top + n_sampled * bool(quantiles)) * n_features
    found = lazy.rows(
        partial(
            _chunk,
            codes=codes,
            n_documents=sae.sizes["documents"],
            threshold=threshold,
            n_top=n_top,
            n_sampled=n_sampled if quantiles else 0,
        ),
        partial(_combine, n_top=n_top, n_sampled=n_sampled),
        partial(_finalize, n_features=n_features, n_top=n_top, quantiles=quantiles, n_per_quantile=n_per_quantile),
        sae.token_document,
        sae.token_position,
        sae.token_is_special,
        outputs={
            "activation": lazy.Result(("features", "examples"), (n_features, n_examples)),
            "place": lazy.Result(("columns", "features", "examples"), (3, n_features, n_examples), "int64"),
        },
        memory=lazy.Memory(
            task=ENTRY_BYTES * ENTRIES_AT_ONCE + 6 * _COLUMNS * n_kept,
            partial=_COLUMNS * n_kept,
            finish=4 * _COLUMNS * n_kept,
            lower="n_sampled",
        ),
        # Entries are read and ranked, and what is kept is ranked again as parts are put together.
        work=lazy.Work(passes=8 * n_entries, sorting=8 * lazy.ordering(n_entries + 4 * n_kept), calls=2000),
    )
    n_places = n_before + 1 + n_after
    context_bytes = 4 * n_features * n_examples * n_places
    contexts = lazy.rows(
        partial(context_chunk, n_before=n_before, n_after=n_after),
        merged_contexts,
        as_contexts,
        lazy.again(sae.token_id, found.place),
        lazy.again(sae.token_document, found.place),
        lazy.again(sae.token_position, found.place),
        also=[found.place],
        outputs={
            "context_token_id": lazy.Result(
                ("features", "examples", "places"), (n_features, n_examples, n_places), "int32"
            )
        },
        memory=lazy.Memory(
            task=20 * context_bytes, partial=context_bytes, finish=context_bytes, lower="n_before and n_after"
        ),
        work=lazy.Work(passes=20 * context_bytes, steps=20 * sae.token_id.size, calls=500),
    )
    words = lazy.whole(
        partial(as_words, n_before=n_before),
        context=contexts.context_token_id,
        place=found.place,
        type_of_document=sae.type_of_document,
        outputs={
            name: BY_NAME[name].result({"features": n_features, "examples": n_examples})
            for name in ("type_of_example", "text_before", "text", "text_after")
        },
        memory=lazy.Memory(finish=12 * context_bytes + 400 * n_features * n_examples),
        # Words are joined to text in Python.
        work=lazy.Work(calls=n_features * n_examples * (4 + 0.3 * n_places)),
        **vocabulary_of(sae),
    )
    places = {
        name: found.place.isel(columns=column).drop_vars("columns", errors="ignore")
        for column, name in enumerate(("token", "document", "position"))
    }
    kinds = np.array([1.0] * n_top + [float(each) for each in quantiles for _ in range(n_per_quantile)])
    result = words.assign(activation=found.activation, context_token_id=contexts.context_token_id, **places)
    return result[list(BY_NAME)].assign_coords(quantile=("examples", kinds))


class _Kept(NamedTuple):
    """What is kept of some tokens: the strongest entries of each feature, and a sample."""

    top: Entries
    sample: Entries


def _chunk(
    start: int,
    document: Array,
    position: Array,
    is_special: Array,
    *,
    codes: xr.Dataset,
    n_documents: int,
    threshold: float,
    n_top: int,
    n_sampled: int,
) -> _Kept:
    n_features = int(codes.attrs["shape"][1])
    document = checked_documents(document, n_documents)
    none = Entries(*(np.zeros(0, dtype) for dtype in ("int64", "float64", "int64", "int64", "int64")))
    kept = _Kept(none, none)
    for row, feature, value in fired_pieces(codes, start, is_special, threshold):
        entries = Entries(feature, value, start + row, document[row].astype(np.int64), position[row].astype(np.int64))
        # Most entries are weaker than what is kept already, and need not be sorted.
        strong = entries.at(value >= nth_value(kept.top, n_top, n_features)[feature])
        top, sample = strongest(joined([kept.top, strong]), n_top), kept.sample
        # Likewise entries with larger hashes than the last that is kept.
        if n_sampled:
            drawn = entries.at(hash_at_most(entries, nth_hash(sample, n_sampled, n_features)))
            sample = sampled(joined([sample, drawn]), n_sampled)
        kept = _Kept(top, sample)
    return kept


def _combine(parts: Sequence[_Kept], *, n_top: int, n_sampled: int) -> _Kept:
    top, sample = (joined(entries) for entries in zip(*parts, strict=True))
    return _Kept(strongest(top, n_top), sampled(sample, n_sampled))


def _finalize(
    kept: _Kept, *, n_features: int, n_top: int, quantiles: Sequence[float], n_per_quantile: int
) -> lazy.Arrays:
    """Table of examples: activation (features, examples); token, document and position (3, features, examples)."""
    n_examples = n_top + n_per_quantile * len(quantiles)
    activation = np.full((n_features, n_examples), np.nan)
    place = np.full((3, n_features, n_examples), -1, np.int64)

    def put(feature: Array, example: Array, entries: Entries) -> None:
        activation[feature, example] = entries.value
        place[:, feature, example] = np.stack([entries.token, entries.document, entries.position])

    top = kept.top
    first = np.searchsorted(top.feature, np.arange(n_features + 1))
    put(top.feature, np.arange(len(top.feature)) - first[top.feature], top)
    # By value, so that ranks are places; by token where values tie, so that chunks change nothing.
    sample = kept.sample.at(np.lexsort((kept.sample.token, kept.sample.value, kept.sample.feature)))
    first = np.searchsorted(sample.feature, np.arange(n_features + 1))
    count = np.diff(first)
    for number, quantile in enumerate(quantiles):
        # A window of ranks around the quantile, inside the range of ranks.
        begin = np.rint(quantile * (count - 1) - (n_per_quantile - 1) / 2)
        begin = np.clip(begin, 0, np.maximum(count - n_per_quantile, 0)).astype(np.int64)
        for offset in range(n_per_quantile):
            feature = np.flatnonzero(begin + offset < count)
            example = np.full(len(feature), n_top + number * n_per_quantile + offset)
            put(feature, example, sample.at(first[feature] + begin[feature] + offset))
    return {"activation": activation, "place": place}
