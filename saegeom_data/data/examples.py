"""Stored examples of features: contexts from elsewhere, with the activation on each token; the group ``examples``.

They are kept beside the labels of an SAE, for stores whose own text or codes are not there: what others saw a feature
fire on. Examples are stored like the rows of a CSR matrix, twice: those of feature i are ``example_start[i]`` to
``example_start[i + 1]``, and tokens of example j are ``token_start[j]`` to ``token_start[j + 1]``. Those of one source
are together, the strongest first. Texts of tokens are kept once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.data.bounds import bounds_of, bounds_problems, index_problems
from saegeom_data.data.labels import sources_attribute, sources_of, sources_problems
from saegeom_data.errors import ParameterError, Problem
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

# Columns of the interval of activations that an example was drawn from, and the fields of `Example` that they hold.
BINS = ("bin_low", "bin_high", "bin_share")


@dataclass(frozen=True)
class Example:
    """A context in which a feature fires, as a source gives it.

    Parameters
    ----------
    tokens
        Text of each token; joined, they are the running text.
    activation
        Activation of the feature on each token (tokens,).
    source
        Index into the attribute ``sources`` of the group.
    bin_low, bin_high, bin_share
        Interval of activations that it was drawn from, and the share of all activations that lie in it; NaN for none.
    attribution
        Direct feature attribution to each token (tokens,), of an SAE of attention outputs; None for none.
    attributed
        Index of the token whose activation is attributed; -1 for none.
    """

    tokens: Sequence[str]
    activation: Array
    source: int = 0
    bin_low: float = math.nan
    bin_high: float = math.nan
    bin_share: float = math.nan
    attribution: Array | None = None
    attributed: int = -1

    @property
    def strongest(self) -> int:
        """Index of the token of the largest activation, of equal ones the first."""
        return int(np.argmax(self.activation))


def examples_group(
    examples: Mapping[int, Sequence[Example]], n_features: int, sources: Sequence[Mapping[str, Any]]
) -> xr.Dataset:
    """Turn examples that fit into memory into the ``examples`` group of an SAE.

    Parameters
    ----------
    examples
        Examples by index of the feature, in the order in which they are kept: by source, the strongest first.
    n_features
        Rows of the decoder.
    sources
        For each source ``url``, ``sha256`` and ``date``, and whatever else is known of it: ``license``, ``model``.

    Returns
    -------
    xarray.Dataset
        ``example_start`` over ``feature_bounds`` (features + 1), ``token_start`` over ``example_bounds``
        (examples + 1), ``token`` and ``activation`` over ``example_tokens``, ``token_text``, and the others over
        ``examples``.

    Raises
    ------
    ParameterError
        If a feature is not one of the SAE, an example is of no source, has no tokens, or differs from its tokens in
        length.

    Examples
    --------
    >>> source = {"url": "mine.json", "sha256": "0" * 64, "date": "2026-01-31"}
    >>> river = Example(["the", " river"], np.array([0.0, 2.5]))
    >>> group = examples_group({1: [river]}, 3, [source])
    >>> group.example_start.values.tolist(), group.token_text.values.tolist()
    ([0, 0, 1, 1], ['the', ' river'])
    """
    for feature, listed in examples.items():
        if not 0 <= feature < n_features:
            raise ParameterError(f"examples: got feature {feature}, expected 0 to {n_features - 1}")
        for example in listed:
            _check(example, feature, len(sources))
    ordered = [example for feature in sorted(examples) for example in examples[feature]]
    counts = np.zeros(n_features + 1, np.int64)
    for feature, listed in examples.items():
        counts[feature + 1] = len(listed)
    places: dict[str, int] = {}
    token = [places.setdefault(text, len(places)) for example in ordered for text in example.tokens]
    lengths = [len(example.tokens) for example in ordered]
    attribution = None
    if any(example.attribution is not None for example in ordered):
        parts = [
            np.full(len(each.tokens), np.nan) if each.attribution is None else each.attribution for each in ordered
        ]
        attribution = np.concatenate(parts).astype(np.float32)
    columns = {name: np.array([getattr(each, name) for each in ordered]) for name in ("source", "attributed", *BINS)}
    # With an empty array in front, as numpy does not join none.
    activation = np.concatenate([np.zeros(0), *(each.activation for each in ordered)]).astype(np.float32)
    token_start = np.cumsum([0, *lengths])
    over_tokens = {"token": np.array(token, np.int32), "activation": activation, "attribution": attribution}
    return group_of_arrays(counts.cumsum(), token_start, columns, over_tokens, list(places), sources)


def _check(example: Example, feature: int, n_sources: int) -> None:
    n_tokens, n_values = len(example.tokens), len(example.activation)
    n_attributed = n_tokens if example.attribution is None else len(example.attribution)
    if not n_tokens or n_values != n_tokens or n_attributed != n_tokens:
        raise ParameterError(
            f"examples: feature {feature} has one of {n_tokens} tokens, {n_values} activations and {n_attributed}"
            " attributions, expected as many of each, and at least one"
        )
    if not 0 <= example.source < n_sources:
        raise ParameterError(f"examples: feature {feature} has an example of no source; give one of {n_sources}")


def group_of_arrays(
    example_start: Array,
    token_start: Array,
    columns: Mapping[str, Array],
    over_tokens: Mapping[str, Any],
    texts: Sequence[str],
    sources: Sequence[Mapping[str, Any]],
) -> xr.Dataset:
    """The ``examples`` group of arrays.

    Parameters
    ----------
    example_start, token_start
        Bounds (features + 1) and (examples + 1).
    columns
        ``source``, ``attributed`` and ``BINS`` of each example (examples,).
    over_tokens
        ``token``, ``activation`` and ``attribution`` (tokens,), lazy or not; ``attribution`` may be None.
    texts
        Text of each token that ``token`` is an index of.
    sources
        Records of sources.
    """
    import xarray as xr

    variables: dict[str, Any] = {
        "example_start": ("feature_bounds", np.asarray(example_start, np.int64)),
        "token_start": ("example_bounds", np.asarray(token_start, np.int64)),
        "source": ("examples", np.asarray(columns["source"], np.int32)),
        "token_text": ("token_texts", np.array(texts, np.dtypes.StringDType())),
    }
    # Columns that no example has say nothing.
    kept = [name for name in BINS if not np.isnan(columns[name]).all()]
    variables |= {name: ("examples", np.asarray(columns[name], np.float32)) for name in kept}
    variables |= {name: ("example_tokens", held) for name, held in over_tokens.items() if held is not None}
    if over_tokens["attribution"] is not None:
        variables["attributed"] = ("examples", np.asarray(columns["attributed"], np.int32))
    return xr.Dataset(variables, attrs={"sources": sources_attribute(sources)})


def examples_of(group: xr.Dataset, features: slice = slice(None), most: int | None = None) -> list[list[Example]]:
    """Read the examples of a range of features; nothing else of the group is read but chunks that they lie in.

    Parameters
    ----------
    group
        The ``examples`` group of an SAE.
    features
        Range of features, without a step.
    most
        Examples of each feature and source at most, the strongest; all by default.

    Examples
    --------
    >>> source = {"url": "mine.json", "sha256": "0" * 64, "date": "2026-01-31"}
    >>> river = Example(["the", " river"], np.array([0.0, 2.5]))
    >>> found = examples_of(examples_group({1: [river]}, 3, [source]), slice(1, 3))
    >>> [["".join(example.tokens) for example in listed] for listed in found]
    [['the river'], []]
    """
    bounds = bounds_of(group["example_start"], features)
    first, last = int(bounds[0]), int(bounds[-1])
    token_start = group["token_start"][first : last + 1].values
    names = [name for name in ("source", "attributed", *BINS) if name in group]
    columns = {name: group[name][first:last].values.tolist() for name in names}
    begin, end = int(token_start[0]), int(token_start[-1])
    over_tokens = [name for name in ("token", "activation", "attribution") if name in group]
    held = {name: group[name][begin:end].values for name in over_tokens}
    texts = np.asarray(group["token_text"].values, object)

    def example(index: int) -> Example:
        place = slice(int(token_start[index] - begin), int(token_start[index + 1] - begin))
        given = {name: values[index] for name, values in columns.items()}
        attribution = held["attribution"][place] if "attribution" in held else None
        # NaN stands for an example without, beside others of the group that have it.
        if attribution is not None and not np.isnan(attribution).all():
            given["attribution"] = attribution
        return Example(texts[held["token"][place]].tolist(), held["activation"][place], **given)

    def kept(begin: int, end: int) -> Iterator[int]:
        counts: dict[int, int] = {}
        for index in range(begin - first, end - first):
            source = columns["source"][index]
            counts[source] = counts.get(source, 0) + 1
            if most is None or counts[source] <= most:
                yield index

    return [[example(index) for index in kept(int(low), int(high))] for low, high in pairwise(bounds)]


def examples_problems(group: xr.Dataset, n_features: int, where: str) -> Iterator[Problem]:
    """Find where examples have other bounds than an SAE of ``n_features``, or do not say where they are from."""
    expected = {
        "feature_bounds": ("example_start", n_features, "one more than the decoder's rows"),
        "example_bounds": ("token_start", group.sizes.get("examples"), "one more than examples"),
    }
    for dim, (name, size, why) in expected.items():
        if size is not None and group.sizes.get(dim, size + 1) != size + 1:
            yield Problem(f"{where}/{name}", f"got {group.sizes[dim]} bounds, expected {size + 1}: {why}")
    yield from sources_problems(group, where, "import the examples again")


def example_value_problems(group: xr.Dataset, where: str) -> Iterator[Problem]:
    """Find bounds that do not rise to what they bound, and indices of no token, no text and no source."""
    again = "import the examples again"
    n_tokens = group.sizes["example_tokens"]
    problems = [
        *bounds_problems(group["example_start"], group.sizes["examples"], "examples", f"{where}/example_start", again),
        *bounds_problems(group["token_start"], n_tokens, "their tokens", f"{where}/token_start", again),
        *index_problems(group["source"], len(sources_of(group)), "example", f"{where}/source", again),
        *index_problems(group["token"], group.sizes["token_texts"], "token", f"{where}/token", again),
    ]
    yield from problems
    # Where bounds are wrong, they give no lengths.
    if "attributed" in group and not problems:
        attributed, lengths = group["attributed"].values, np.diff(group["token_start"].values)
        outside = np.flatnonzero((attributed < -1) | (attributed >= lengths))
        if len(outside):
            message = f"{len(outside)} outside the tokens of their example, the first is that of example {outside[0]}"
            yield Problem(f"{where}/attributed", f"{message}; {again}")
