"""Examples on their way into a store: in the order of features, any part of them alone, and on disk, not in memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from saegeom_data.data.examples import Example, examples_group, examples_of
from saegeom_data.errors import DataValueError
from saegeom_data.labels import spool
from saegeom_data.labels.spool import Spool

SOURCE = {"url": "mine.json", "sha256": "0" * 64, "date": "2026-01-31"}


def drawn(rng: np.random.Generator, source: int, **more: object) -> Example:
    n = int(rng.integers(1, 9))
    tokens = [f"{'abc'[source]}{number}" for number in rng.integers(0, 20, n)]
    return Example(tokens, rng.normal(size=n).astype(np.float32), source, **more)  # type: ignore[arg-type]


def test_what_is_put_down_is_gathered_by_feature_source_and_strength(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    given: dict[int, list[Example]] = {}
    with Spool(tmp_path, 7) as held:
        for source in range(3):
            for _ in range(40):
                # None of feature 4 and of the last one.
                feature = int(rng.choice([0, 1, 2, 3, 5]))
                example = drawn(rng, source, bin_low=float(rng.integers(9)))
                held.add(feature, example)
                given.setdefault(feature, []).append(example)
            held.settle()
    for listed in given.values():
        listed.sort(key=lambda each: (each.source, -each.activation.max()))
    found = held.group([SOURCE] * 3)
    expected = examples_group(given, 7, [SOURCE] * 3)
    assert repr(examples_of(found)) == repr(examples_of(expected))
    np.testing.assert_array_equal(found.example_start, expected.example_start)
    assert set(found.variables) == set(expected.variables)
    whole = found.activation.values
    for begin, end in ((0, 1), (3, 200), (len(whole) - 1, len(whole)), (5, 5)):
        np.testing.assert_array_equal(found.activation[begin:end].values, whole[begin:end])


def test_a_group_put_down_comes_back_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_FEATURES_AT_ONCE", 2)
    rng = np.random.default_rng(1)
    attributed = drawn(rng, 0, attribution=None)
    attributed = Example(attributed.tokens, attributed.activation, 0, attribution=attributed.activation, attributed=0)
    # What looks like pieces of a tokenizer is running text here, as it is in a store.
    group = examples_group({1: [drawn(rng, 0), attributed], 4: [Example(["▁a", "b"], np.ones(2))]}, 5, [SOURCE])
    with Spool(tmp_path, 5) as held:
        held.add_group(group)
    by_strength = [sorted(listed, key=lambda each: -each.activation.max()) for listed in examples_of(group)]
    assert repr(examples_of(held.group([SOURCE]))) == repr(by_strength)


def test_examples_of_one_key_are_named_by_their_places(tmp_path: Path) -> None:
    example = Example(["a"], np.ones(1))
    with Spool(tmp_path, 2) as held:
        for place, key in enumerate(["x", "", "y", "", "x"]):
            held.add(place % 2, example, where=f"batch, line {place}", key=key)
        held.settle()
    with pytest.raises(DataValueError, match="^batch, line 4: is there twice, first in batch, line 0; fetch it again$"):
        held.group([SOURCE])


def test_more_tokens_than_a_vocabulary_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_LARGEST_VOCABULARY", 2)
    with Spool(tmp_path, 1) as held:
        held.add(0, Example(["a", "b", "a"], np.ones(3)))
        with pytest.raises(DataValueError, match="here: more than 2 different tokens"):
            held.add(0, Example(["c"], np.ones(1)), where="here")


def test_tokens_and_activations_are_not_held(tmp_path: Path) -> None:
    n_examples, n_tokens = 2000, 1000
    n_bytes = 8 * n_examples * n_tokens
    example = Example(["a", "b"] * (n_tokens // 2), np.ones(n_tokens, np.float32))
    tracemalloc.start()
    with Spool(tmp_path, 10) as held:
        for number in range(n_examples):
            held.add(number % 10, example)
        held.settle()
    column = held.group([SOURCE]).activation
    assert column[1000:2000].values.tolist() == [1.0] * 1000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < n_bytes / 8
