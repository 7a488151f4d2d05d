"""What the atlas shows of one SAE, as arrays in memory: gathered from a store and results, packed by the payload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from saegeom_data.typing import Array


@dataclass(frozen=True)
class Layout:
    """Where features lie on the map.

    Attributes
    ----------
    position
        (features, 2) float64; NaN for features off the map.
    words
        How the map was made, as a sentence.
    trustworthiness
        Share in [0, 1] of :func:`saegeom_data.atlas.layout.trustworthiness`; None where it was not measured.
    """

    position: Array
    words: str
    trustworthiness: float | None = None


@dataclass(frozen=True)
class Firing:
    """In how many blocks features fire.

    Attributes
    ----------
    types
        Names of document types.
    blocks
        (types,) blocks of each type.
    active
        (types, features) blocks of each type in which the feature fires.
    """

    types: Sequence[str]
    blocks: Array
    active: Array


@dataclass(frozen=True)
class Part:
    """One part of a grouping: its name, what it stands for, and longer words on it."""

    name: str
    stands_for: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Grouping:
    """Features in groups by which the map may be coloured: lobes, communities, or document types.

    Attributes
    ----------
    name
        As the page offers it.
    kind
        ``"lobe"``, ``"community"`` or ``"type"``.
    member
        (features,) group of each feature, from 0; -1 for none.
    parts
        What each group is.
    words
        Sentences on the grouping as a whole.
    """

    name: str
    kind: str
    member: Array
    parts: Sequence[Part]
    words: Sequence[str] = ()


@dataclass(frozen=True)
class Near:
    """The nearest others of each feature: ``index`` (features, order), -1 for none, and ``value`` of the same shape."""

    index: Array
    value: Array


@dataclass(frozen=True)
class Family:
    """A family of crystals: pairs (n, 2) of features whose offsets are alike, and what is known of it."""

    kind: str
    pairs: Array
    words: str
    found: bool


@dataclass(frozen=True)
class Number:
    """One number for each feature: its name, what it is, and values (features,); NaN where there is none."""

    name: str
    description: str
    value: Array


@dataclass(frozen=True)
class Labels:
    """Descriptions of features: those of feature i are ``start[i]`` to ``start[i + 1]`` of the rest.

    ``start`` is (features + 1,); ``score`` NaN and ``explainer`` empty where there is none.
    """

    start: Array
    description: Sequence[str]
    explainer: Sequence[str]
    score: Array


@dataclass(frozen=True)
class Tokens:
    """A list of tokens for each feature, the best first.

    Attributes
    ----------
    name, words
        What the list is called, and what it is.
    text
        (features, order) text of each token; empty for none.
    is_found
        (features, order) whether the token is beyond chance; all True where that is not asked.
    """

    name: str
    words: str
    text: Array
    is_found: Array


@dataclass(frozen=True)
class Contexts:
    """Texts in which features fire, some for each feature.

    Attributes
    ----------
    feature
        (contexts,) feature, ascending.
    before, mark, after
        (contexts,) running text before the token on which the feature fires, the token, and the text after it.
    value
        (contexts,) activation there.
    quantile
        (contexts,) quantile of the feature's activations that the context is of; 1 for the strongest.
    document_type
        (contexts,) type of the document; empty for none.
    source
        (contexts,) where it is from, if not of the text of the store; empty for that.
    """

    feature: Array
    before: Sequence[str]
    mark: Sequence[str]
    after: Sequence[str]
    value: Array
    quantile: Array
    document_type: Sequence[str]
    source: Sequence[str]


@dataclass
class SaeFacts:
    """All that the atlas shows of one SAE. What is None or empty is named in ``missing``, one sentence each."""

    name: str
    n_features: int
    title: str
    layout: Layout
    facts: dict[str, str] = field(default_factory=dict)
    firing: Firing | None = None
    groupings: list[Grouping] = field(default_factory=list)
    cosine: Near | None = None
    cofiring: Near | None = None
    families: list[Family] = field(default_factory=list)
    family_words: str = ""
    numbers: list[Number] = field(default_factory=list)
    labels: Labels | None = None
    tokens: list[Tokens] = field(default_factory=list)
    contexts: Contexts | None = None
    neuronpedia: str = ""
    missing: list[str] = field(default_factory=list)
