"""Results that are words rather than numbers, as tables: what a few features of the sample fire on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.guide.pages.markdown import cell, code_cell, join, table
from saegeom_data.results.groups import find_group

_N_FEATURES, _N_TOKENS = 6, 5
_OF_EXAMPLE = ("activation", "type_of_example", "document", "position", "text_before", "text", "text_after")


def shown(groups: Sequence[Group]) -> dict[str, str]:
    """Table of each metric whose results are words, by its name."""
    found = {"feature_tokens": _tokens(groups), "feature_examples": _examples(groups)}
    return {metric: text for metric, text in found.items() if text}


def _tokens(groups: Sequence[Group]) -> str:
    group = find_group(groups, "feature_tokens", "text_by_odds", published=None)
    if group is None:
        return ""
    data = group.data.isel({group.over: 0})
    has_text = bool((data["text_by_odds"].values != "").any())
    names = ("text_by_odds", "text_by_mean") if has_text else ("token_by_odds", "token_by_mean")
    lines = []
    for feature in _chosen(data["q"].values[:, 0]):
        tokens = [data[name].values[feature, :_N_TOKENS] for name in names]
        q = float(data["q"].values[feature, 0])
        lines.append((feature, *(_quoted(each) for each in tokens), f"{q:.1g}", int(data["n_fired"].values[feature])))
    heads = ("feature", "tokens by odds", "tokens by mean activation", "q of the first", "tokens it fires on")
    return join([_head(group, has_text), table(heads, lines)])


def _examples(groups: Sequence[Group]) -> str:
    group = find_group(groups, "feature_examples", "text", published=None)
    if group is None:
        return ""
    data = group.data.isel({group.over: 0})
    has_text = bool((data["text"].values != "").any())
    lines = []
    for feature in _chosen(-data["activation"].values[:, 0]):
        first = {name: data[name].values[feature, 0] for name in _OF_EXAMPLE}
        texts = [str(first[name]) for name in ("text_before", "text", "text_after")]
        where = _context(*texts) if has_text else f"document {first['document']}, token {first['position']}"
        lines.append((feature, f"{first['activation']:.2f}", first["type_of_example"], where))
    heads = ("feature", "activation", "type of document", "strongest context")
    return join([_head(group, has_text), table(heads, lines)])


def _head(group: Group, has_text: bool) -> str:
    without = " The store has no text of its tokens, so that they are numbers; `saegeom label --vocabulary` adds it."
    return f"A few features of {group.rows[0]}.{'' if has_text else without}"


def _chosen(order: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[int]:
    """Features at even steps among the half that comes first in an order; those with NaN come last."""
    first = np.argsort(order, kind="stable")[: max(1, len(order) // 2)]
    return [int(feature) for feature in sorted(first[:: max(1, len(first) // _N_FEATURES)][:_N_FEATURES])]


def _quoted(texts: Iterable[object]) -> str:
    return ", ".join(_literal(str(text)) for text in texts if str(text).strip() not in {"", "-1"})


def _context(before: str, text: str, after: str) -> str:
    return f"{cell(before)} **{cell(text.strip())}** {cell(after)}"


def _literal(text: str) -> str:
    # A tick would end it.
    return code_cell(text.strip()) if "`" not in text else cell(text)
