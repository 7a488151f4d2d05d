"""Labels of features, any number for each, and the text of tokens: the groups ``labels`` and ``vocabulary`` of a store.

Labels are stored like the rows of a CSR matrix: those of feature i are ``label_start[i]`` to ``label_start[i + 1]``. A
description that has several scores is there once for each of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.data.bounds import bounds_of, bounds_problems, index_problems
from saegeom_data.errors import ParameterError, Problem
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

# What each record of the attribute ``sources`` must say, as text; it may say more, such as ``license``.
SOURCE_KEYS = ("url", "sha256", "date")


@dataclass(frozen=True)
class Label:
    """What somebody says that a feature fires on.

    Parameters
    ----------
    description
        In words, as the source gives it: any text at all.
    explainer
        Model or person that wrote it; empty if the source does not say.
    score
        How well it predicts activations; NaN for none.
    scorer
        Name of the score; empty for none.
    source
        Index into the attribute ``sources`` of the group.
    """

    description: str
    explainer: str = ""
    score: float = math.nan
    scorer: str = ""
    source: int = 0


def labels_group(
    labels: Mapping[int, Sequence[Label]], n_features: int, sources: Sequence[Mapping[str, Any]]
) -> xr.Dataset:
    """Turn labels into the ``labels`` group of an SAE.

    Parameters
    ----------
    labels
        Labels by index of the feature, in the order in which they are kept.
    n_features
        Rows of the decoder.
    sources
        For each source ``url``, ``sha256`` and ``date``, and whatever else is known of it: ``license``, ``model``.

    Returns
    -------
    xarray.Dataset
        ``label_start`` over ``feature_bounds`` (features + 1), the others over ``labels``.

    Raises
    ------
    ParameterError
        If a feature is not one of the SAE, or a label is of no source.

    Examples
    --------
    >>> source = {"url": "mine.csv", "sha256": "0" * 64, "date": "2026-01-31"}
    >>> group = labels_group({1: [Label("rivers"), Label("water", "gpt-4o-mini")]}, 3, [source])
    >>> group.label_start.values.tolist(), group.description.values.tolist()
    ([0, 0, 2, 2], ['rivers', 'water'])
    """
    import xarray as xr

    for feature, listed in labels.items():
        if not 0 <= feature < n_features:
            raise ParameterError(f"labels: got feature {feature}, expected 0 to {n_features - 1}")
        if any(not 0 <= label.source < len(sources) for label in listed):
            raise ParameterError(f"labels: feature {feature} has a label of no source; give one of {len(sources)}")
    counts = np.zeros(n_features + 1, np.int64)
    for feature, listed in labels.items():
        counts[feature + 1] = len(listed)
    ordered = [label for feature in sorted(labels) for label in labels[feature]]
    text = np.dtypes.StringDType()
    return xr.Dataset(
        {
            "label_start": ("feature_bounds", counts.cumsum()),
            "description": ("labels", np.array([label.description for label in ordered], text)),
            "explainer": ("labels", np.array([label.explainer for label in ordered], text)),
            "score": ("labels", np.array([label.score for label in ordered], np.float64)),
            "scorer": ("labels", np.array([label.scorer for label in ordered], text)),
            "source": ("labels", np.array([label.source for label in ordered], np.int32)),
        },
        attrs={"sources": sources_attribute(sources)},
    )


def labels_of(group: xr.Dataset, features: slice = slice(None)) -> list[list[Label]]:
    """Read the labels of a range of features; nothing else of the group is read but chunks that they lie in.

    Examples
    --------
    >>> source = {"url": "mine.csv", "sha256": "0" * 64, "date": "2026-01-31"}
    >>> group = labels_group({1: [Label("rivers")]}, 3, [source])
    >>> [[label.description for label in labels] for labels in labels_of(group, slice(1, 3))]
    [['rivers'], []]
    """
    bounds = bounds_of(group["label_start"], features)
    first, last = int(bounds[0]), int(bounds[-1])
    # In one call, so that chunks of several columns are fetched side by side.
    held = group[["description", "explainer", "score", "scorer", "source"]].isel(labels=slice(first, last)).compute()
    columns = [held[name].values.tolist() for name in ("description", "explainer", "score", "scorer", "source")]
    found = [
        Label(str(description), str(explainer), float(score), str(scorer), int(source))
        for description, explainer, score, scorer, source in zip(*columns, strict=True)
    ]
    return [found[begin - first : end - first] for begin, end in pairwise(bounds)]


def descriptions(group: xr.Dataset, features: slice = slice(None)) -> list[str]:
    """Read one description for each feature: that of the highest score, or else the first; empty for none.

    Examples
    --------
    >>> source = {"url": "mine.csv", "sha256": "0" * 64, "date": "2026-01-31"}
    >>> descriptions(labels_group({1: [Label("rivers", score=0.5), Label("water", score=0.9)]}, 2, [source]))
    ['', 'water']
    """
    return [best(labels).description if labels else "" for labels in labels_of(group, features)]


def best(labels: Sequence[Label]) -> Label:
    """Return the label of the highest score, or the first where none has one."""
    # NaN is neither less nor more than a number, so that max would depend on the order.
    return max(labels, key=lambda label: -math.inf if math.isnan(label.score) else label.score)


def sources_attribute(sources: Sequence[Mapping[str, Any]]) -> str:
    """Attribute of a group that says where its labels or examples are from, as :func:`sources_of` reads it."""
    return json.dumps([dict(source) for source in sources])


def sources_of(group: xr.Dataset) -> list[dict[str, Any]]:
    """Return where the labels or examples of a group are from: ``url``, ``sha256``, ``date`` and what else is known."""
    return list(json.loads(group.attrs["sources"]))


def vocabulary(tree: xr.DataTree) -> Array | None:
    """Read the text of each token of the vocabulary (vocabulary_tokens,); None where the store does not hold it.

    Texts of consecutive tokens, joined with nothing between them, are the running text.

    Examples
    --------
    >>> import xarray as xr
    >>> tree = xr.DataTree.from_dict({"/vocabulary": xr.Dataset({"text": ("vocabulary_tokens", [" river", "s"])})})
    >>> "".join(vocabulary(tree)[[0, 1]])
    ' rivers'
    """
    if "vocabulary" not in tree.children:
        return None
    return np.asarray(tree.children["vocabulary"].to_dataset(inherit=False)["text"].values, dtype=object)


def labels_problems(group: xr.Dataset, n_features: int, where: str) -> Iterator[Problem]:
    """Find where labels have other bounds than an SAE of ``n_features``, or do not say where they are from."""
    bounds = group.sizes.get("feature_bounds", n_features + 1)
    if bounds != n_features + 1:
        message = f"got {bounds} bounds, expected {n_features + 1}: one more than the decoder's rows"
        yield Problem(f"{where}/label_start", message)
    yield from sources_problems(group, where, "import the labels again")


def sources_problems(group: xr.Dataset, where: str, repair: str) -> Iterator[Problem]:
    """Find where the attribute ``sources`` of a group, if it is there, does not say where its entries are from."""
    if "sources" not in group.attrs:
        return
    try:
        sources = json.loads(group.attrs["sources"])
    except (TypeError, ValueError, RecursionError):
        sources = None
    if not isinstance(sources, list) or not all(isinstance(source, dict) for source in sources):
        yield Problem(f"{where}@sources", f"not a JSON list of objects, one for each source; {repair}")
        return
    for number, source in enumerate(sources):
        missing = [key for key in SOURCE_KEYS if not isinstance(source.get(key), str)]
        if missing:
            yield Problem(f"{where}@sources", f"source {number} has no text for {', '.join(missing)}; add it")


def label_value_problems(group: xr.Dataset, where: str) -> Iterator[Problem]:
    """Find bounds that do not rise from 0 to the number of labels, and labels of a source that is not listed."""
    again = "import the labels again"
    yield from bounds_problems(group["label_start"], group.sizes["labels"], "labels", f"{where}/label_start", again)
    yield from index_problems(group["source"], len(sources_of(group)), "label", f"{where}/source", again)
