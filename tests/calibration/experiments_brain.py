"""Experiments on metrics of what features fire together."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import firing
from experiment import Experiment

_MODULARITY = {"n_lobes": (2, 3), "n_permutations": 99, "n_redraws": 19, "n_folds": 2, "n_seeds": 2}
_FUNCTION = {"n_lobes": (2,), "n_permutations": 99, "n_shuffles": 99, "n_seeds": 3}
_GRAPH = {"n_lobes": (2,), "n_permutations": 99, "n_redraws": 19, "n_seeds": 3}
_OWN = {"lobe_modularity": _MODULARITY, "lobe_function": _FUNCTION, "coactivation_graph": _GRAPH}
# Only every so many seeds of what clusters anew for each draw.
_EVERY = {"lobe_modularity": 2, "lobe_function": 1, "coactivation_graph": 1}
_UNEQUAL, _TWO = "independent firing at unequal rates", "two lobes of types, uniform places"


def _sizes() -> Iterator[Experiment]:
    permuted, stratified = "label_permutation", "frequency_stratified"
    cases = (
        ("lobe_modularity", _UNEQUAL, firing.independent, (permuted, stratified, "fixed_margins", "places_redrawn")),
        (
            "lobe_modularity",
            "two lobes of types, uniform places",
            firing.lobes,
            (permuted, stratified, "places_redrawn"),
        ),
        ("lobe_modularity", "firing rates that drive both sides", firing.rates, (stratified, "fixed_margins")),
        ("lobe_function", _UNEQUAL, firing.independent, (permuted, stratified)),
        ("lobe_function", "features and word pieces of one law", firing.words_alike, ("word_pieces",)),
        ("lobe_function", "trained and untrained features of one law", firing.untrained_alike, ("untrained_sae",)),
        (
            "lobe_function",
            "trained and untrained features of one law, which tell types apart in part",
            partial(firing.untrained_alike, strength=0.3),
            ("untrained_sae",),
        ),
        (
            "lobe_function",
            "features, word pieces and untrained features of one law, in blocks of several lengths",
            firing.short_alike,
            ("word_pieces", "untrained_sae"),
        ),
        ("coactivation_graph", _UNEQUAL, firing.independent, ("fixed_margins",)),
        ("coactivation_graph", "independent firing at one rate", firing.one_rate, ("fixed_margins", permuted)),
    )
    for metric, words, simulate, labels in cases:
        yield Experiment(metric, "size", words, simulate, _OWN[metric], labels, every=_EVERY[metric])


def _power() -> Iterator[Experiment]:
    planted = {
        "lobe_modularity": ("two lobes that are places", partial(firing.lobes, geometry=0.5)),
        "lobe_function": ("a lobe for each of two types, words and an untrained SAE of none", firing.others_of_no_type),
        "coactivation_graph": ("two lobes", partial(firing.lobes, strength=0.5)),
    }
    for metric, (words, simulate) in planted.items():
        yield Experiment(metric, "power", words, simulate, _OWN[metric], every=2)


def _adversarial() -> Iterator[Experiment]:
    for words, simulate in firing.ODD.items():
        for metric, parameters in _OWN.items():
            yield Experiment(metric, "adversarial", words, simulate, parameters, every=2 * _EVERY[metric])


EXPERIMENTS = (*_sizes(), *_power(), *_adversarial())

WITHOUT: dict[tuple[str, str], str] = {}
