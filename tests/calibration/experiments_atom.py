"""Experiments on metrics of word pairs and of crystals."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import decoders
import relations
import xarray as xr
from experiment import Experiment

from saegeom_data.testing import simulate_crystals

# Scores of families are costly to draw for.
_CRYSTALS = {"n_surrogates": 19, "n_best": 50}
_QUALITY = {"n_permutations": 99, "removals": ("lda",), "max_pairs": 20}
_VECTORS = {"n_permutations": 99, "removals": (), "max_pairs": 20}
_OWN = {"parallelogram_quality": _QUALITY, "function_vectors": _VECTORS}
_DIRECTIONS = partial(decoders.unit_gaussian, hidden=16)
_CLUSTERS = partial(decoders.clusters_on_axis, hidden=16)
_TIGHT = partial(decoders.tight_clusters_on_axis, hidden=16)


def _crystals(seed: int) -> xr.Dataset:
    return simulate_crystals(n_features=100, n_hidden=16, n_parallelograms=5, n_trapezoids=5, seed=10_000 + seed)


def _sizes() -> Iterator[Experiment]:
    crystals = (
        ("Gaussian rows divided to norm 1", _DIRECTIONS, ("spectrum_matched",)),
        ("clusters with one common noise axis", _CLUSTERS, ("exchanged_offsets",)),
        ("tight clusters along one common axis", _TIGHT, ("exchanged_offsets",)),
    )
    for words, simulate, labels in crystals:
        yield Experiment("crystal_search", "size", words, simulate, _CRYSTALS, labels, every=2)
    pairs = (
        ("no offset, targets near their sources", relations.no_offset, ("label_permutation", "offsets_redealt")),
        ("targets in the place of their relation", relations.unpaired, ("derangement",)),
    )
    for metric, parameters in _OWN.items():
        for words, simulate, labels in pairs:
            yield Experiment(metric, "size", words, simulate, parameters, labels)
    words, labels = "one offset that all relations share", ("t_law",)
    yield Experiment("parallelogram_quality", "size", words, relations.one_offset, _QUALITY, labels)


def _power() -> Iterator[Experiment]:
    yield Experiment(
        "crystal_search", "power", "five parallelograms and five trapezoids", _crystals, _CRYSTALS, every=2
    )
    for metric, parameters in _OWN.items():
        yield Experiment(metric, "power", "an offset of each relation", relations.planted, parameters, every=2)


def _adversarial() -> Iterator[Experiment]:
    for words, simulate in decoders.ODD.items():
        yield Experiment("crystal_search", "adversarial", words, partial(simulate, hidden=16), _CRYSTALS, every=4)
    for words, simulate in relations.ODD.items():
        for metric, parameters in _OWN.items():
            yield Experiment(metric, "adversarial", words, simulate, parameters, every=2)


EXPERIMENTS = (*_sizes(), *_power(), *_adversarial())

WITHOUT: dict[tuple[str, str], str] = {
    ("parallelogram_quality", "no_change"): "no data are known whose scores held-out LDA leaves as they are on average",
}
