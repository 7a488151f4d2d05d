"""Bytes of the atlas: arrays and texts of one SAE in two deflated parts, for the first picture and for the rest.

A part is a little-endian uint32, the length of a JSON header, that header, and arrays one after the other. The header
says of each array its type and number of values. ``u1``, ``i1`` and ``f4`` lie as they are; ``p2``, ``p3`` and ``p4``
are unsigned integers of so many bytes, first the lowest byte of all of them, then the next: like bytes side by side
deflate to less. The same facts give the same bytes.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from saegeom_data.atlas.facts import Contexts, Firing, Grouping, Labels, Near, SaeFacts, Tokens
from saegeom_data.typing import Array

# The best level takes ten times as long, for one percent.
_LEVEL = 6
# Values of a coordinate, but for one that says that a feature is off the map.
_GRID = 65534
_OFF = 65535
# Names and descriptions of features come from anybody and may be of any length.
MOST_CHARACTERS = 600
_MOST_LABELS = 4
_MOST_OF_TOKEN = 60
# They are seen as nothing, but scripts and emoji are spelt with them. Marks that turn the direction are not kept.
_JOINERS = "\u200c\u200d"
# Shares of blocks for each document type take a byte each, of every feature.
_MOST_SHARES = 400_000


class Part:
    """Arrays and facts that are deflated together."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self._arrays: dict[str, list[Any]] = {}
        self._bytes: list[bytes] = []

    def add(self, name: str, kind: str, values: Any) -> None:
        """Add an array of a kind, flattened."""
        flat = np.ascontiguousarray(values).ravel()
        if kind.startswith("p"):
            width = int(kind[1:])
            planes = flat.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :width].T
            content = np.ascontiguousarray(planes).tobytes()
        else:
            content = flat.astype(f"<{kind}").tobytes()
        self._arrays[name] = [kind, len(flat), len(content)]
        self._bytes.append(content)

    def add_texts(self, name: str, texts: Sequence[str]) -> None:
        """Add texts, one a line: what breaks lines in them becomes a blank."""
        content = "\n".join(" ".join(str(text).split("\n")) for text in texts).encode("utf-8", "replace")
        self._arrays[name] = ["text", len(texts), len(content)]
        self._bytes.append(content)

    def packed(self) -> str:
        """The part as base64 of deflate, as a browser inflates it."""
        # An error here instead of NaN, which is no JSON: a browser would not read the page.
        header = json.dumps({"facts": self.facts, "arrays": self._arrays}, allow_nan=False, separators=(",", ":"))
        content = header.encode("utf-8")
        raw = b"".join([len(content).to_bytes(4, "little"), content, *self._bytes])
        return base64.b64encode(zlib.compress(raw, _LEVEL)).decode("ascii")


def packed(sae: SaeFacts) -> tuple[str, str]:
    """The two parts of an SAE: what the first picture needs, and the rest."""
    return _picture(sae).packed(), _rest(sae).packed()


def _picture(sae: SaeFacts) -> Part:
    """Places, sizes and groups."""
    part = Part()
    grid = grid_of(sae.layout.position)
    part.add("x", "p2", grid[:, 0])
    part.add("y", "p2", grid[:, 1])
    if sae.firing is not None:
        part.add("size", "u1", sizes_of(sae.firing))
    part.facts["groupings"] = [_grouping(part, index, grouping) for index, grouping in enumerate(sae.groupings)]
    return part


def grid_of(position: Array) -> Array:
    """Coordinates (features, 2) uint16 on a square grid that keeps the proportions of the map; 65535 for off the map.

    Examples
    --------
    >>> grid_of(np.array([[0.0, 0.0], [2.0, 1.0], [np.nan, 0.0]])).tolist()
    [[0, 16384], [65534, 49150], [65535, 65535]]
    """
    grid = np.full((len(position), 2), _OFF, np.uint16)
    known = np.isfinite(position).all(axis=1)
    if known.any():
        low, high = position[known].min(axis=0), position[known].max(axis=0)
        extent = float((high - low).max()) or 1.0
        centred = (position[known] - (low + high) / 2) / extent + 0.5
        grid[known] = np.rint(np.clip(centred, 0, 1) * _GRID)
    return grid


def sizes_of(firing: Firing) -> Array:
    """Density of each feature as a byte: the logarithm of the share of blocks, from one block (1) to all (255); 0 none.

    Examples
    --------
    >>> sizes_of(Firing(["a"], np.array([100]), np.array([[0, 1, 10, 100]]))).tolist()
    [0, 1, 128, 255]
    """
    n_blocks = max(2, int(firing.blocks.sum()))
    active = firing.active.sum(axis=0)
    level = np.log(np.maximum(active, 1)) / math.log(n_blocks)
    return np.where(active > 0, 1 + np.rint(254 * np.clip(level, 0, 1)), 0).astype(np.uint8)


def _grouping(part: Part, index: int, grouping: Grouping) -> dict[str, Any]:
    """Add the members of a grouping, and return what is said of it."""
    n_parts = max([len(grouping.parts), int(grouping.member.max(initial=-1)) + 1])
    # One byte of each feature, unless there are more groups than it can number.
    none = 255 if n_parts < 255 else 65535
    member = np.where(grouping.member < 0, none, np.minimum(grouping.member, none))
    part.add(f"group{index}", "u1" if none == 255 else "p2", member)
    parts = [[clipped(each.name), clipped(each.stands_for), clipped(each.detail)] for each in grouping.parts]
    return {
        "name": grouping.name,
        "kind": grouping.kind,
        "none": none,
        "parts": parts,
        "words": [clipped(line) for line in grouping.words],
    }


def _rest(sae: SaeFacts) -> Part:
    """What is read of a feature once it is picked."""
    part = Part()
    for name, near in (("cosine", sae.cosine), ("cofiring", sae.cofiring)):
        if near is not None:
            _near(part, name, near)
    if sae.firing is not None:
        _firing(part, sae.firing)
    if sae.labels is not None:
        _labels(part, sae.labels)
    _tokens(part, sae.tokens)
    if sae.contexts is not None:
        _contexts(part, sae.contexts)
    part.facts["numbers"] = [[number.name, number.description] for number in sae.numbers]
    for index, number in enumerate(sae.numbers):
        part.add(f"number{index}", "f4", number.value)
    part.facts["families"] = [
        {"kind": family.kind, "words": family.words, "found": family.found, "pairs": np.asarray(family.pairs).tolist()}
        for family in sae.families
    ]
    part.facts["familyWords"] = sae.family_words
    return part


def _near(part: Part, name: str, near: Near) -> None:
    """Neighbours by their index plus one, 0 for none, and their values in hundredths."""
    width = 2 if len(near.index) < 65535 else 3 if len(near.index) < 2**24 - 1 else 4
    part.facts[f"{name}Each"] = near.index.shape[1]
    part.add(name, f"p{width}", near.index + 1)
    # As rows of orders: first values of all features, then second ones, which are alike.
    value = np.where(near.index < 0, 0.0, near.value)
    part.add(f"{name}Value", "i1", np.rint(100 * np.clip(value, -1, 1)).T)


def _firing(part: Part, firing: Firing) -> None:
    """Blocks in which each feature fires, and their share of each document type by its root, in bytes."""
    part.facts["types"] = [clipped(name) for name in firing.types]
    part.facts["blocks"] = [int(count) for count in firing.blocks]
    part.add("active", "p4", firing.active.sum(axis=0))
    if firing.active.size <= _MOST_SHARES:
        # The root gives small shares, which most are, more of the 255 steps.
        share = firing.active / np.maximum(firing.blocks, 1)[:, None]
        part.add("share", "u1", np.rint(255 * np.sqrt(np.clip(share, 0, 1))))


def _labels(part: Part, labels: Labels) -> None:
    """The first few descriptions of each feature, with who wrote them and their scores in hundredths, 255 for none."""
    counts = np.minimum(np.diff(labels.start), _MOST_LABELS)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = np.repeat(np.asarray(labels.start[:-1]), counts) + within
    writers = list(dict.fromkeys(labels.explainer[index] for index in kept))
    place = {writer: index for index, writer in enumerate(writers)}
    score = np.asarray(labels.score, float)[kept]
    part.facts["explainers"] = [clipped(writer) for writer in writers]
    part.add("labelCount", "u1", counts)
    part.add_texts("label", [clipped(labels.description[index]) for index in kept])
    part.add("explainer", "p2", [min(place[labels.explainer[index]], 65535) for index in kept])
    hundredths = np.clip(np.rint(100 * np.nan_to_num(score)), 0, 254)
    part.add("labelScore", "u1", np.where(np.isfinite(score), hundredths, 255))


def _tokens(part: Part, lists: Sequence[Tokens]) -> None:
    """Lists of tokens, by their places in one list of texts plus one; 0 for none."""
    places: dict[str, int] = {}
    for index, tokens in enumerate(lists):
        flat = [clipped(text, _MOST_OF_TOKEN) for text in np.asarray(tokens.text, object).ravel()]
        ids = [1 + places.setdefault(text, len(places)) if text else 0 for text in flat]
        part.add(f"tokens{index}", "p3", ids)
        part.add(f"tokensFound{index}", "u1", tokens.is_found)
    part.facts["tokens"] = [[tokens.name, tokens.words, tokens.text.shape[1]] for tokens in lists]
    part.add_texts("text", list(places))


def _contexts(part: Part, contexts: Contexts) -> None:
    """Contexts of all features one after the other, their quantiles in hundredths."""
    types = sorted({name for name in contexts.document_type if name})
    place = {name: index for index, name in enumerate(types[:255])}
    part.facts["contextTypes"] = [clipped(name) for name in place]
    # Differences are mostly 0 and 1, which deflate to next to nothing.
    part.add("contextFeature", "p4", np.diff(contexts.feature, prepend=0))
    part.add_texts("contextBefore", [clipped(text) for text in contexts.before])
    part.add_texts("contextMark", [clipped(text, _MOST_OF_TOKEN) for text in contexts.mark])
    part.add_texts("contextAfter", [clipped(text) for text in contexts.after])
    part.add("contextValue", "f4", contexts.value)
    part.add("contextQuantile", "u1", np.rint(100 * np.asarray(contexts.quantile)))
    part.add("contextType", "u1", [place.get(name, 255) for name in contexts.document_type])
    sources = [name for name in dict.fromkeys(contexts.source) if name][:255]
    place = {name: index for index, name in enumerate(sources)}
    part.facts["contextSources"] = [clipped(name) for name in sources]
    part.add("contextSource", "u1", [place.get(name, 255) for name in contexts.source])


def clipped(given: Any, most: int = MOST_CHARACTERS) -> str:
    """A text of at most so many characters, without what is no character.

    Examples
    --------
    >>> clipped("sea" * 300, 10)
    'seaseasea…'
    """
    text = str(given)
    if len(text) <= most and text.isprintable():
        return text
    plain = "".join(sign if sign.isprintable() or sign == " " else _shown(sign) for sign in text[: most + 1])
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def _shown(sign: str) -> str:
    """A sign for a character that would be seen as nothing, or would break a line."""
    if sign in _JOINERS:
        return sign
    return {"\n": "⏎", "\r": "⏎", "\t": "⇥"}.get(sign, " " if sign.isspace() else "\ufffd")
