"""Batches of SAEDashboard: ``batch-N.json`` with ``features``.

Nobody has explained these features: the tokens on which a feature is strongest stand for it, and those whose logits it
raises most.
"""

from __future__ import annotations

import re
from typing import Any

from saegeom_data.data.labels import Label
from saegeom_data.errors import DataValueError
from saegeom_data.labels.batches import batches_of, listed_tokens
from saegeom_data.labels.found import Found, feature_index, text_of
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
    for name in batches_of(source.names, _BATCH, source.address, is_partial=is_partial):
        batch, shown = source.json(name), source.shown(name)
        features = batch.get("features") if isinstance(batch, dict) else None
        if not isinstance(features, list):
            raise DataValueError(f"{shown}: no list under features; expected a batch of SAEDashboard")
        found.model = text_of(batch.get("model_id"))
        for feature in features:
            if not isinstance(feature, dict):
                raise DataValueError(f"{shown}: got a JSON {type(feature).__name__} among features, expected an object")
            index = feature_index(feature.get("feature_index"), shown)
            if index in found.labels:
                raise DataValueError(f"{shown}: feature {index} is there twice; remove one of its batches")
            labels = [
                Label(listed_tokens("fires on", _strongest(feature)), "top activations, SAEDashboard"),
                Label(listed_tokens("raises", _list(feature, "pos_str")), "top logits, SAEDashboard"),
            ]
            found.labels[index] = [label for label in labels if label.description]
    found.labels = {feature: labels for feature, labels in found.labels.items() if labels}
    return found


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
