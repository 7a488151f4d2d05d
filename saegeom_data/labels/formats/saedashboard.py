"""Batches of SAEDashboard: ``batch-N.json`` with ``features``.

Nobody has explained these features: the tokens on which a feature is strongest stand for it, and those whose logits it
raises most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from saegeom_data.data.labels import Label
from saegeom_data.errors import DataValueError
from saegeom_data.labels.batches import batches_of, listed_tokens
from saegeom_data.labels.found import Found, FoundExample, example_of, feature_index, text_of
from saegeom_data.labels.source import LabelSource

WHAT = "a folder with batch-N.json, as SAEDashboard writes them"

_BATCH = r"(?:[^/]+/)?batch-(\d+)[.]json"


def parts(source: LabelSource) -> list[str]:
    """One, if there are batches."""
    return [source.name] if any(re.fullmatch(_BATCH, name) for name in source.names) else []


def read(source: LabelSource, part: str, *, is_partial: bool) -> Found:
    """Read the features of all batches.

    Raises
    ------
    StoreError, DataValueError
        If a batch is missing or damaged, or a feature is in two of them.
    """
    found = Found(facts={"format": "saedashboard"})
    seen: set[int] = set()
    for shown, batch in _batches(source, is_partial=is_partial):
        found.model = text_of(batch.get("model_id"))
        for index, feature in _features(shown, batch, seen):
            labels = [
                Label(listed_tokens("fires on", _strongest(feature)), "top activations, SAEDashboard"),
                Label(listed_tokens("raises", _list(feature, "pos_str")), "top logits, SAEDashboard"),
            ]
            found.labels[index] = [label for label in labels if label.description]
    found.labels = {feature: labels for feature, labels in found.labels.items() if labels}
    return found


def examples(source: LabelSource, part: str, found: Found, *, is_partial: bool) -> Iterator[FoundExample]:
    """Yield the activations of all features, batch by batch.

    Raises
    ------
    StoreError, DataValueError
        As :func:`read`, or if tokens and values of an example do not go together.
    """
    found.facts = {"format": "saedashboard"}
    seen: set[int] = set()
    for shown, batch in _batches(source, is_partial=is_partial):
        found.model = text_of(batch.get("model_id"))
        for index, feature in _features(shown, batch, seen):
            for place, row in enumerate(_list(feature, "activations")):
                where = f"{shown}: feature {index}, activation {place}"
                if not isinstance(row, dict):
                    raise DataValueError(f"{where}: got a JSON {type(row).__name__}, expected an object")
                example = example_of(where, row, ("bin_min", "bin_max", "bin_contains"))
                yield FoundExample(where, index, example, dataset=text_of(feature.get("dataset")))


def _batches(source: LabelSource, *, is_partial: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in batches_of(source.names, _BATCH, source.address, is_partial=is_partial):
        batch, shown = source.json(name), source.shown(name)
        if not isinstance(batch, dict) or not isinstance(batch.get("features"), list):
            raise DataValueError(f"{shown}: no list under features; expected a batch of SAEDashboard")
        yield shown, batch


def _features(shown: str, batch: dict[str, Any], seen: set[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield index and object of each feature of a batch, of which none may be among those seen before."""
    for feature in batch["features"]:
        if not isinstance(feature, dict):
            raise DataValueError(f"{shown}: got a JSON {type(feature).__name__} among features, expected an object")
        index = feature_index(feature.get("feature_index"), shown)
        if index in seen:
            raise DataValueError(f"{shown}: feature {index} is there twice; remove one of its batches")
        seen.add(index)
        yield index, feature


def _list(table: dict[str, Any], name: str) -> list[Any]:
    value = table.get(name)
    return value if isinstance(value, list) else []


def _strongest(feature: dict[str, Any]) -> list[Any]:
    """Token of the largest value of each example, the strongest example first."""
    tops = []
    for example in _list(feature, "activations"):
        if isinstance(example, dict):
            pairs = zip(_list(example, "values"), _list(example, "tokens"), strict=False)
            known = [(value, token) for value, token in pairs if isinstance(value, int | float)]
            tops += [max(known, key=lambda pair: pair[0])] if known else []
    return [token for value, token in sorted(tops, key=lambda pair: -pair[0]) if value > 0]
