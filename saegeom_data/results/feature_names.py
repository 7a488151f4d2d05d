"""What features are called: a label, tokens they go with or raise, or a number; and what sets of them stand for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property

from saegeom_data.declare.group import Group
from saegeom_data.results.discoveries import FALSE_DISCOVERY_RATE
from saegeom_data.results.groups import find_group

_LONGEST = 60


class FeatureNames:
    """Names of the features of one SAE.

    Parameters
    ----------
    groups
        Results, of which those of :func:`feature_tokens` are used where there are any, and else :func:`feature_logits`.
    row
        Name of the SAE.
    descriptions
        Labels of its features, as :func:`saegeom_data.data.labels.descriptions` gives them; empty for none.
    """

    def __init__(self, groups: Sequence[Group], row: str, descriptions: Sequence[str] = ()) -> None:
        self._descriptions = descriptions
        self.tokens = _beyond_chance(groups, row, "feature_tokens", "text_by_odds", "q")
        self._raised = _beyond_chance(groups, row, "feature_logits", "text_raised", "q_raised")

    @cached_property
    def _everywhere(self) -> Counter[str]:
        """Number of features of the SAE that each token is among those of."""
        return Counter(text for tokens in self.tokens for text in set(tokens))

    def name(self, feature: int, n_tokens: int = 3) -> str:
        """Name of a feature: its label, else tokens it goes with, else those it raises, else its number."""
        if feature < len(self._descriptions) and self._descriptions[feature]:
            text = " ".join(self._descriptions[feature].split())
            return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
        tokens = self.tokens[feature][:n_tokens] if feature < len(self.tokens) else []
        raised = self._raised[feature][:n_tokens] if feature < len(self._raised) else []
        if not tokens and raised:
            return f"feature {feature} (raises {quoted(raised)})"
        return f"feature {feature} ({quoted(tokens)})" if tokens else f"feature {feature}"

    def typical(self, features: Iterable[int], n_tokens: int = 6) -> list[str]:
        r"""Tokens that features of a set have more often than all features have, the most telling first.

        Of m features of the set a token is among those of a, and of n features of the SAE among those of b. Tokens are
        ordered by :math:`a \ln\frac{a / m}{b / n}`, which is large where a is large and the share beyond that of all.
        """
        chosen = [feature for feature in features if 0 <= feature < len(self.tokens)]
        inside = Counter(text for feature in chosen for text in set(self.tokens[feature]))
        n, m = len(self.tokens), len(chosen)
        # What only one feature of a set has tells of that feature and not of the set.
        score = {text: a * math.log(a * n / (m * self._everywhere[text])) for text, a in inside.items() if a > 1}
        best = sorted(score, key=lambda text: (-score[text], text))
        return [text for text in best if score[text] > 0][:n_tokens]


def _beyond_chance(groups: Sequence[Group], row: str, metric: str, text: str, q: str) -> list[list[str]]:
    """Tokens of each feature of one SAE that have a text and are beyond chance; empty without results of the metric.

    False discovery rates are those of each token, or those of the feature, which hold for all of its tokens.
    """
    group = find_group(groups, metric, text, q, published=None)
    if group is None or row not in group.rows:
        return []
    place = group.rows.index(row)
    # Narrower SAEs of a run are filled up to the width of the widest.
    width = group.coordinate(row, "width")
    own = slice(None if width is None else int(width))
    texts, rates = group.data[text].values[place][own], group.data[q].values[place][own]
    if rates.ndim < texts.ndim:
        rates = rates[:, None].repeat(texts.shape[1], axis=1)
    return [
        [str(token) for token, rate in zip(*listed, strict=True) if token and rate <= FALSE_DISCOVERY_RATE]
        for listed in zip(texts, rates, strict=True)
    ]


def quoted(tokens: Iterable[str]) -> str:
    """Tokens as they are read in a sentence.

    Examples
    --------
    >>> quoted([" river", "s"])
    '“river”, “s”'
    """
    return ", ".join(f"“{token.strip() or repr(token)[1:-1]}”" for token in tokens)
