"""What features are called, and the text that they fire in: of a store's labels and vocabulary, and of results."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.atlas.facts import Contexts, Labels, Tokens
from saegeom_data.atlas.of_results import Row
from saegeom_data.data.examples import examples_of
from saegeom_data.data.labels import labels_of, sources_of
from saegeom_data.results.groups import read_groups
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.data.labels import Label
    from saegeom_data.declare.group import Group

# Features whose labels are held as objects at a time.
_FEATURES = 4096
# Tokens beyond chance, at this false discovery rate.
_RATE = 0.05
_MOST_TOKENS = 8
# The same of examples, each of which has many tokens.
_FEATURES_OF_EXAMPLES = 512
# Tokens that are shown of an example beside its strongest, as many as a context of `feature_examples` has.
_BEFORE, _AFTER = 12, 6
# Contexts of each feature: so many up to so many features.
_CONTEXTS = ((8192, 6), (32_768, 3))

NO_VOCABULARY = "without a vocabulary, by which tokens can be read; saegeom label STORE --vocabulary FILE adds it."
# What is shown of the two metrics, and no more.
PARAMETERS: dict[str, dict[str, Any]] = {
    "feature_tokens": {"n_ranks": _MOST_TOKENS},
    "feature_examples": {"n_top": 4, "quantiles": [0.5, 0.1], "n_per_quantile": 1},
}


def read_labels(group: xr.Dataset) -> Labels:
    """Labels of all features, those with the highest scores of each first.

    Examples
    --------
    >>> from saegeom_data.data.labels import Label, labels_group
    >>> source = {"url": "mine.csv", "sha256": "0" * 64, "date": "2026-01-31"}
    >>> group = labels_group({1: [Label("water"), Label("rivers", score=0.9)]}, 2, [source])
    >>> read_labels(group).start.tolist(), read_labels(group).description
    ([0, 0, 2], ['rivers', 'water'])
    """
    n = group.sizes["feature_bounds"] - 1
    counts: Array = np.zeros(n + 1, np.int64)
    ordered: list[Label] = []
    for start in range(0, n, _FEATURES):
        for feature, labels in enumerate(labels_of(group, slice(start, start + _FEATURES)), start):
            best = sorted(labels, key=lambda label: -np.inf if np.isnan(label.score) else label.score, reverse=True)
            # One description with several scores is there once for each of them.
            first: dict[str, Label] = {}
            for label in best:
                first.setdefault(label.description, label)
            distinct = list(first.values())
            counts[feature + 1] = len(distinct)
            ordered += distinct
    return Labels(
        counts.cumsum(),
        [label.description for label in ordered],
        [label.explainer for label in ordered],
        np.array([label.score for label in ordered]),
    )


def neuronpedia_key(attrs: Mapping[Any, Any], sources: Sequence[Mapping[str, Any]]) -> str:
    """Key of an SAE at Neuronpedia, ``model/source``, as the store or the source of its labels says; empty for none.

    Examples
    --------
    >>> neuronpedia_key({}, [{"url": "mine.csv"}, {"model": "gpt2-small", "source_id": "6-res-jb"}])
    'gpt2-small/6-res-jb'
    """
    of_labels = [
        f"{source['model']}/{source['source_id']}" for source in sources if {"model", "source_id"} <= set(source)
    ]
    keys = [str(attrs.get("neuronpedia", "")), *of_labels]
    return next((key for key in keys if re.fullmatch(r"[\w.-]+/[\w.-]+", key)), "")


def why_no_text(tree: xr.DataTree | None, sae: str) -> str | None:
    """Why tokens and contexts of an SAE cannot be measured on a store; None if they can."""
    if tree is None:
        return "the results have none; saegeom run features makes them."
    if "codes" not in tree.children["saes"].children[sae].children:
        return "no codes in this store."
    if not {"tokens", "documents"} <= set(tree.children):
        return "no text in this store."
    return None if "vocabulary" in tree.children else f"the store is {NO_VOCABULARY}"


def measured(tree: xr.DataTree, sae: str, metrics: Sequence[str]) -> list[Group]:
    """Results in memory of some metrics, of one SAE alone."""
    from saegeom_data.engine.runner import measure
    from saegeom_data.spec.models import RunSpec

    asked = [{"metric": name, "saes": [sae], "parameters": PARAMETERS[name]} for name in metrics]
    spec = {"spec_version": 1, "kind": "run", "title": "What features fire on", "metrics": asked}
    return read_groups(measure(tree, RunSpec.model_validate(spec, strict=False)))


def tokens_of(row: Row) -> list[Tokens]:
    """Lists of tokens of each feature, of results of ``feature_tokens`` and ``feature_logits``; none without texts."""
    lists = [*_by_firing(row), *_by_logits(row)]
    return [tokens for tokens in lists if (tokens.text != "").any()]


def _by_firing(row: Row) -> list[Tokens]:
    """Tokens by odds and by mean activation."""
    lists: list[Tokens] = []
    for group in row.groups:
        if group.metric != "feature_tokens" or lists:
            continue
        q = row.values(group, "q")
        odds, mean = (row.values(group, f"text_by_{what}") for what in ("odds", "mean"))
        if odds is not None and q is not None:
            words = (
                "Tokens on which it fires more often than on others, by log-odds. Framed: not beyond chance (q > 0.05)."
            )
            lists.append(_listed("Tokens", words, odds, q <= _RATE))
        if mean is not None:
            lists.append(_listed("Strongest on", "Tokens by its mean activation on them.", mean, mean != ""))
    return lists


def _by_logits(row: Row) -> list[Tokens]:
    """Tokens whose logits a feature raises and lowers most."""
    lists: list[Tokens] = []
    for group in row.groups:
        if group.metric != "feature_logits" or lists:
            continue
        for side, name in (("raised", "Raises"), ("lowered", "Lowers")):
            text, q = row.values(group, f"text_{side}"), row.values(group, f"q_{side}")
            if text is not None and q is not None:
                words = (
                    f"Tokens whose logits it {name.lower()} most, by decoder row and unembedding alone. Framed: no"
                    " farther than random directions (q > 0.05)."
                )
                lists.append(_listed(name, words, text, np.broadcast_to((q <= _RATE)[:, None], text.shape)))
    return lists


def _listed(name: str, words: str, text: Array, is_found: Array) -> Tokens:
    return Tokens(name, words, np.asarray(text[:, :_MOST_TOKENS], object), np.asarray(is_found[:, :_MOST_TOKENS], bool))


def n_contexts_of(n_features: int) -> int:
    """Contexts of each feature that keep a page small: six, three for more than 8,192 features, none beyond 32,768."""
    return next((count for most, count in _CONTEXTS if n_features <= most), 0)


def contexts_of(row: Row, n_contexts: int) -> Contexts | None:
    """Contexts of each feature, of results of ``feature_examples``: the strongest, and one of each quantile."""
    for group in row.groups:
        found = {name: row.values(group, name) for name in ("activation", "text_before", "text", "text_after")}
        if group.metric == "feature_examples" and n_contexts and all(value is not None for value in found.values()):
            activation, before, mark, after = (np.asarray(value) for value in found.values())
            quantile = (
                np.asarray(group.data["quantile"].values)
                if "quantile" in group.data.coords
                else np.ones(activation.shape[1])
            )
            types = row.values(group, "type_of_example")
            chosen = _chosen(quantile, n_contexts)
            feature, column = np.nonzero(np.isfinite(activation[:, chosen]) & (mark[:, chosen] != ""))
            at = feature, np.asarray(chosen)[column]
            if len(feature):
                of_type = [""] * len(feature) if types is None else [str(name) for name in types[at]]
                told, marked, rest = ([str(text) for text in values[at]] for values in (before, mark, after))
                own = [""] * len(feature)
                return Contexts(feature, told, marked, rest, activation[at], quantile[at[1]], of_type, own)
    return None


def with_examples(own: Contexts | None, group: xr.Dataset, n_contexts: int) -> Contexts | None:
    """Contexts with the strongest stored examples of features that have none; None if there is none at all.

    Parameters
    ----------
    own
        Contexts in the text of the store, if any.
    group
        The group ``examples`` of the SAE; some features of it are held at a time.
    n_contexts
        Contexts of each feature.

    Examples
    --------
    >>> from saegeom_data.data.examples import Example, examples_group
    >>> source = {"url": "mine.json", "sha256": "0" * 64, "date": "2026-01-31", "format": "saedashboard"}
    >>> river = Example(["the", " river", " rose"], np.array([0.0, 2.5, 0.1]))
    >>> found = with_examples(None, examples_group({1: [river]}, 3, [source]), 6)
    >>> found.before, found.mark, found.after, found.source
    (['the'], [' river'], [' rose'], ['saedashboard'])
    """
    names = [source_name(source) for source in sources_of(group)]
    n = group.sizes["feature_bounds"] - 1
    known = np.zeros(n, bool) if own is None else np.isin(np.arange(n), own.feature)
    rows: list[tuple[Any, ...]] = [] if own is None else list(zip(*vars(own).values(), strict=True))
    # Once, and not for each piece.
    group = group.assign(token_text=group["token_text"].load())
    for start in range(0, n, _FEATURES_OF_EXAMPLES):
        stop = min(start + _FEATURES_OF_EXAMPLES, n)
        if known[start:stop].all():
            continue
        for feature, examples in enumerate(examples_of(group, slice(start, stop), n_contexts), start):
            firing = [each for each in examples if not known[feature] and each.activation.max() > 0]
            for each in sorted(firing, key=lambda each: -each.activation.max())[:n_contexts]:
                at = each.strongest
                before = "".join(each.tokens[max(0, at - _BEFORE) : at])
                after = "".join(each.tokens[at + 1 : at + 1 + _AFTER])
                value = float(each.activation[at])
                rows.append((feature, before, each.tokens[at], after, value, 1.0, "", names[each.source]))
    if not rows:
        return None
    columns = [list(column) for column in zip(*sorted(rows, key=lambda row: row[0]), strict=True)]
    told, befores, marks, afters, values, quantiles, types, sources = columns
    return Contexts(np.array(told), befores, marks, afters, np.array(values), np.array(quantiles), types, sources)


def source_name(source: Mapping[str, Any]) -> str:
    """What a source of labels or examples is called.

    Examples
    --------
    >>> source_name({"format": "neuronpedia", "model": "gpt2-small", "source_id": "6-res-jb", "url": "s3://a/b"})
    'Neuronpedia, gpt2-small/6-res-jb'
    """
    kind = {"neuronpedia": "Neuronpedia"}.get(str(source.get("format")), str(source.get("format") or source["url"]))
    place = "/".join(str(source[key]) for key in ("model", "source_id") if source.get(key))
    return ", ".join(filter(None, (kind, place)))


def _chosen(quantile: Array, n: int) -> list[int]:
    """Which of the examples are shown: two thirds of them the strongest, then the first of some quantiles, from above.

    Examples
    --------
    >>> _chosen(np.array([1, 1, 1, 1, 1, 0.9, 0.9, 0.5, 0.5, 0.1]), 6)
    [0, 1, 2, 3, 7, 9]
    """
    strongest = np.flatnonzero(quantile == 1).tolist()
    lower = [int(np.flatnonzero(quantile == value)[0]) for value in np.unique(quantile[quantile < 1])][::-1]
    n_lower = min(len(lower), n // 3)
    # Spread over the quantiles, the lowest always among them.
    kept = [lower[len(lower) - 1 - (i * len(lower)) // n_lower] for i in range(n_lower)][::-1] if n_lower else []
    return strongest[: n - n_lower] + kept
