"""Results that are words rather than numbers, as tables: what a few features of the sample fire on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.guide.pages.markdown import cell, join, table
from saegeom_data.results.groups import find_group

_N_FEATURES, _N_TOKENS = 6, 5


def shown(groups: Sequence[Group]) -> dict[str, str]:
    """Table of each metric whose results are words, by its name."""
    found = {"feature_tokens": _tokens(groups), "feature_examples": _examples(groups)}
    return {metric: text for metric, text in found.items() if text}


def _tokens(groups: Sequence[Group]) -> str:
    group = find_group(groups, "feature_tokens", "text_by_odds", published=None)
    if group is None:
        return ""
    data = group.data.isel({group.over: 0})
    lines = []
    for feature in _chosen(data["q"].values[:, 0]):
        texts = [data[name].values[feature, :_N_TOKENS] for name in ("text_by_odds", "text_by_mean")]
        q = float(data["q"].values[feature, 0])
        lines.append((feature, *(_quoted(text) for text in texts), f"{q:.1g}", int(data["n_fired"].values[feature])))
    heads = ("feature", "tokens by odds", "tokens by mean activation", "q of the first", "tokens it fires on")
    return join([f"A few features of {group.rows[0]}:", table(heads, lines)])


def _examples(groups: Sequence[Group]) -> str:
    group = find_group(groups, "feature_examples", "text", published=None)
    if group is None:
        return ""
    data = group.data.isel({group.over: 0})
    lines = [
        (
            feature,
            f"{float(data['activation'].values[feature, 0]):.2f}",
            str(data["type_of_example"].values[feature, 0]),
            _context(*(str(data[name].values[feature, 0]) for name in ("text_before", "text", "text_after"))),
        )
        for feature in _chosen(-data["activation"].values[:, 0])
    ]
    heads = ("feature", "activation", "type of document", "strongest context")
    return join([f"A few features of {group.rows[0]}:", table(heads, lines)])


def _chosen(order: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[int]:
    """Features at even steps among the half that comes first in an order; those with NaN come last."""
    first = np.argsort(order, kind="stable")[: max(1, len(order) // 2)]
    return [int(feature) for feature in sorted(first[:: max(1, len(first) // _N_FEATURES)][:_N_FEATURES])]


def _quoted(texts: Iterable[object]) -> str:
    return ", ".join(_literal(str(text)) for text in texts if str(text).strip())


def _context(before: str, text: str, after: str) -> str:
    return f"{cell(before)} **{cell(text.strip())}** {cell(after)}"


def _literal(text: str) -> str:
    # A tick would end it.
    return f"`{text.strip().replace('|', chr(92) + '|')}`" if "`" not in text else cell(text)
