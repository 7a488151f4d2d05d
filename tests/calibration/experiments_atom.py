"""Experiments on metrics of word pairs and of crystals."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import decoders
import relations
from experiment import Experiment

from saegeom_data.testing import simulate_crystals

_CRYSTALS = {"n_surrogates": 39, "n_best": 50}
_QUALITY = {"n_permutations": 99, "removals": ("lda",), "max_pairs": 20}
_VECTORS = {"n_permutations": 99, "removals": ("lda",), "max_pairs": 20}
_OWN = {"parallelogram_quality": _QUALITY, "function_vectors": _VECTORS}


def _crystals(seed: int) -> object:
    return simulate_crystals(n_features=100, n_hidden=16, n_parallelograms=5, n_trapezoids=5, seed=10_000 + seed)


def _sizes() -> Iterator[Experiment]:
    yield Experiment(
        "crystal_search",
        "size",
        "Gaussian rows divided to norm 1",
        partial(decoders.unit_gaussian, hidden=16),
        _CRYSTALS,
        ("spectrum_matched",),
    )
    for metric, parameters in _OWN.items():
        yield Experiment(
            metric,
            "size",
            "no offset, targets near their sources",
            relations.no_offset,
            parameters,
            ("label_permutation", "offsets_redealt"),
        )
        yield Experiment(
            metric, "size", "targets in the place of their relation", relations.unpaired, parameters, ("derangement",)
        )


def _power() -> Iterator[Experiment]:
    yield Experiment("crystal_search", "power", "five parallelograms and five trapezoids", _crystals, _CRYSTALS)
    for metric, parameters in _OWN.items():
        yield Experiment(metric, "power", "an offset of each relation", relations.planted, parameters)


def _adversarial() -> Iterator[Experiment]:
    for words, simulate in decoders.ODD.items():
        yield Experiment("crystal_search", "adversarial", words, partial(simulate, hidden=16), _CRYSTALS, every=2)
    for words, simulate in relations.ODD.items():
        for metric, parameters in _OWN.items():
            yield Experiment(metric, "adversarial", words, simulate, parameters, every=2)


EXPERIMENTS = (*_sizes(), *_power(), *_adversarial())

WITHOUT: dict[tuple[str, str], str] = {}
