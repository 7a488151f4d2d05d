"""A run of delphi: ``explanations/<hookpoint>_latent<N>.txt`` and ``scores/<scorer>/<hookpoint>_latent<N>.txt``.

An explanation is one JSON string. A score is a list of predictions, of which the balanced accuracy is kept: the mean of
the shares that are right among examples that activate the feature and among those that do not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from saegeom_data.data.labels import Label
from saegeom_data.errors import DataValueError
from saegeom_data.labels.found import Found, FoundExample, text_of
from saegeom_data.labels.source import LabelSource

WHAT = "a folder with explanations/<hookpoint>_latent<N>.txt"

_EXPLANATION = re.compile(r"explanations/(?:[^/]+/)?([^/]+)_latent(\d+)[.]txt")
_SCORE = re.compile(r"scores/([^/]+)/([^/]+)_latent(\d+)[.]txt")


def parts(source: LabelSource) -> list[str]:
    """Hookpoints that have explanations."""
    return sorted({found[1] for name in source.names if (found := _EXPLANATION.fullmatch(name))})


def read(source: LabelSource, part: str, *, is_partial: bool) -> Found:
    """Read the explanations of a hookpoint, each once for each of its scores.

    Raises
    ------
    StoreError, DataValueError
        If a file is damaged, or a latent has two explanations.
    """
    settings = source.json("run_config.json") if source.has("run_config.json") else {}
    model = settings.get("model") if isinstance(settings, dict) else None
    scores: dict[int, list[tuple[str, str]]] = {}
    for name in source.names:
        if (found := _SCORE.fullmatch(name)) and found[2] == part:
            scores.setdefault(int(found[3]), []).append((found[1], name))
    labelled = Found(model=model if isinstance(model, str) else "", facts={"format": "delphi"})
    explainer = _explainer(settings)
    for name in source.names:
        found = _EXPLANATION.fullmatch(name)
        if not found or found[1] != part:
            continue
        feature, text = int(found[2]), source.json(name)
        if not isinstance(text, str):
            kind = type(text).__name__
            raise DataValueError(
                f"{source.shown(name)}: got a JSON {kind}, expected one string; run the explainer again"
            )
        if feature in labelled.labels:
            raise DataValueError(f"{source.shown(name)}: latent {feature} has two explanations; remove one")
        scored = [
            Label(text_of(text), explainer, _balanced_accuracy(source, file), f"{scorer}, balanced accuracy")
            for scorer, file in scores.get(feature, [])
        ]
        labelled.labels[feature] = scored or [Label(text_of(text), explainer)]
    return labelled


def examples(source: LabelSource, part: str, found: Found, *, is_partial: bool) -> Iterator[FoundExample]:
    """None: those of its scores are a sample of predictions, and not the strongest."""
    return iter(())


def _explainer(settings: Any) -> str:
    return text_of(settings.get("explainer_model")) if isinstance(settings, dict) else ""


def _balanced_accuracy(source: LabelSource, name: str) -> float:
    """Mean of the shares of right predictions of both kinds of examples; NaN without predictions of either kind."""
    rows, shown = source.json(name), source.shown(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataValueError(f"{shown}: expected a list of predictions, each an object; run the scorer again")
    shares = []
    for activating in (True, False):
        right = [
            bool(row["correct"])
            for row in rows
            if row.get("correct") is not None and row.get("activating") is activating
        ]
        if right:
            shares.append(sum(right) / len(right))
    return sum(shares) / len(shares) if shares else math.nan
