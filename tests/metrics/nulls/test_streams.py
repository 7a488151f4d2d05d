"""Streams of random numbers: which of them can be one, and that metrics draw from no other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from saegeom_data.declare import registry
from saegeom_data.metrics.nulls import streams
from saegeom_data.metrics.nulls.streams import PURPOSES, Index, Purpose
from saegeom_data.testing import simulate

METRICS = Path(__file__).parents[3] / "metrics"
# numpy mixes four numbers, and pads shorter keys with zeros; of longer ones every number counts.
POOL = 4
MAKERS = {"default_rng", "SeedSequence", "RandomState", "Generator"}


def first(key: tuple[int, ...]) -> float:
    return float(np.random.default_rng(key).random())


def test_numpy_pads_keys_with_zeros_up_to_four_numbers() -> None:
    assert first((5, 2)) == first((5, 2, 0)) == first((5, 2, 0, 0))
    assert first((5, 2)) != first((5, 2, 0, 0, 0))
    assert first((5, 2)) != first((5, 2, 0, 1))


def numbers(purpose: Purpose) -> list[Index]:
    """What each number of a key may be, the seed first, padded as numpy does."""
    seed = Index("seed", 0, 0 if purpose.seed == "zero" else None)
    fixed = [Index("key", number, number) for number in purpose.key]
    found = [seed, *fixed, *purpose.index]
    return found + [Index("padding", 0, 0)] * (POOL - len(found))


def meet(left: Index, right: Index) -> bool:
    most = [index.most for index in (left, right) if index.most is not None]
    return not most or max(left.least, right.least) <= min(most)


def can_share(left: Purpose, right: Purpose) -> bool:
    """Whether some indices give two purposes one key.

    Both have the same seed; a seed that another stream drew is any number, and meets others by chance alone.
    """
    if "drawn" in (left.seed, right.seed):
        return False
    keys = numbers(left), numbers(right)
    return len(keys[0]) == len(keys[1]) and all(meet(*pair) for pair in zip(*keys, strict=True))


def sharing() -> set[frozenset[str]]:
    return {
        frozenset({purpose, other})
        for purpose, other in combinations(PURPOSES, 2)
        if set(PURPOSES[purpose].metrics) & set(PURPOSES[other].metrics)
        and can_share(PURPOSES[purpose], PURPOSES[other])
    }


def test_no_two_purposes_of_a_metric_share_a_stream_but_those_that_are_named() -> None:
    assert sharing() == set()


@pytest.mark.parametrize(
    ("purpose", "other", "is_one"),
    [
        (Purpose((), (2,)), Purpose((), (2,), (Index("draw"), Index("block"))), True),
        (Purpose((), (2,)), Purpose((), (2,), (Index("draw"), Index("block", 1))), False),
        (Purpose((), (2,)), Purpose((), (3,)), False),
        (Purpose((), (), (Index("clusters", 2),)), Purpose((), (1,)), False),
        (Purpose((), (), (Index("clusters", 2),)), Purpose((), (3,)), True),
        (Purpose((), (3,)), Purpose((), (3,), (Index("a"), Index("b"), Index("c"))), False),
        (Purpose((), (), seed="zero"), Purpose((), (1,)), False),
    ],
)
def test_sharing_is_found(purpose: Purpose, other: Purpose, is_one: bool) -> None:
    assert can_share(purpose, other) == is_one


def keys(purpose: str) -> Iterator[tuple[int, ...]]:
    """Keys of the first indices."""
    index = PURPOSES[purpose].index
    for counted in np.ndindex(*[3] * len(index)):
        chosen = [entry.least + number for entry, number in zip(index, counted, strict=True)]
        if all(entry.most is None or number <= entry.most for entry, number in zip(index, chosen, strict=True)):
            yield streams.key_of(purpose, 0, *chosen)


@pytest.mark.parametrize("metric", sorted({metric for purpose in PURPOSES.values() for metric in purpose.metrics}))
def test_first_streams_of_a_metric_differ(metric: str) -> None:
    """The same from the numbers themselves, for the first indices."""
    by_number: dict[float, set[str]] = {}
    for purpose, known in PURPOSES.items():
        if metric in known.metrics and known.seed != "drawn":
            for key in keys(purpose):
                by_number.setdefault(first(key), set()).add(purpose)
    for purposes in by_number.values():
        assert len(purposes) == 1, purposes


def test_a_purpose_has_its_indices() -> None:
    assert streams.stream("derangements", 7, 1, 4).random() == np.random.default_rng([7, 2, 1, 4]).random()
    with pytest.raises(TypeError, match=r"derangements: got 1 indices, expected \['fold', 'relation'\]"):
        streams.stream("derangements", 7, 1)
    with pytest.raises(KeyError, match="unheard"):
        streams.stream("unheard", 7)


def test_registry_names_known_metrics() -> None:
    assert {metric for purpose in PURPOSES.values() for metric in purpose.metrics} <= set(registry.list_metrics())


@pytest.mark.parametrize("name", registry.list_metrics())
def test_a_metric_draws_for_the_purposes_that_name_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    used: set[str] = set()
    of_purpose = streams.key_of

    def recorded(purpose: str, seed: int, *index: int) -> tuple[int, ...]:
        used.add(purpose)
        known = PURPOSES[purpose]
        for number, entry in zip(index, known.index, strict=True):
            assert entry.least <= number <= (number if entry.most is None else entry.most), (purpose, index)
        assert seed == 0 or known.seed != "zero"
        return of_purpose(purpose, seed, *index)

    monkeypatch.setattr(streams, "key_of", recorded)
    metric = registry.get_metric(name)
    if metric.over == "site":
        data = simulate.simulate_relations(seed=1)
    elif "token_id" in {variable.name for variable in metric.inputs}:
        data = simulate.simulate_text(seed=1)
    elif "unembedding" in {variable.name for variable in metric.inputs}:
        data = simulate.simulate_unembedding(seed=1)
    else:
        data = simulate.simulate_sae(n_features=80, n_hidden=16, n_blocks=60, n_lobes=2, function_strength=0.8, seed=1)
    metric(data, **metric.quick).compute()
    assert used <= {purpose for purpose, known in PURPOSES.items() if name in known.metrics}


def made(tree: ast.AST) -> list[int]:
    """Lines that make a generator of numpy's, but for data of anchors: functions that an ``Anchor`` names."""
    anchors = {
        name.id
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Anchor"
        for name in ast.walk(call)
        if isinstance(name, ast.Name)
    }
    data = {
        inner
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and function.name in anchors
        for inner in ast.walk(function)
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node not in data
        if (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) in MAKERS
    ]


def test_no_other_file_makes_a_generator() -> None:
    """Doctests are strings to the parser, and so are left out."""
    found = {
        str(file.relative_to(METRICS)): lines
        for file in METRICS.rglob("*.py")
        if (lines := made(ast.parse(file.read_text(encoding="utf-8"))))
    }
    assert set(found) == {"nulls/streams.py"}


def test_a_generator_is_found_unless_it_makes_an_anchor() -> None:
    source = (
        "import numpy as np\ndef data():\n    np.random.default_rng(0)\ndef kernel():\n    np.random.default_rng(0)\n"
    )
    assert made(ast.parse(source)) == [3, 5]
    assert made(ast.parse(source + "Anchor('rows', data, {})\n")) == [5]


def test_seeds_of_libraries_come_from_streams() -> None:
    """What is given as ``random_state`` is a name that ``drawn_seeds`` or ``library_seed`` was called for."""
    for file in METRICS.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        for call in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)):
            if any(keyword.arg == "random_state" for keyword in call.keywords):
                assert "import drawn_seeds" in text or "import library_seed" in text, file
