"""Experiments on metrics of what features fire together."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import firing
from experiment import Experiment

_MODULARITY = {"n_lobes": (2, 3), "n_permutations": 99, "n_redraws": 39, "n_seeds": 2}
_FUNCTION = {"n_lobes": (2,), "n_permutations": 199, "n_seeds": 3}
_GRAPH = {"n_lobes": (2,), "n_permutations": 99, "n_redraws": 39, "n_seeds": 3}
_OWN = {"lobe_modularity": _MODULARITY, "lobe_function": _FUNCTION, "coactivation_graph": _GRAPH}


def _sizes() -> Iterator[Experiment]:
    yield Experiment(
        "lobe_modularity",
        "size",
        "independent firing at unequal rates",
        firing.independent,
        _MODULARITY,
        ("label_permutation", "frequency_stratified", "fixed_margins", "places_redrawn"),
    )
    yield Experiment(
        "lobe_modularity",
        "size",
        "two lobes, uniform places",
        firing.lobes,
        _MODULARITY,
        ("label_permutation", "frequency_stratified", "places_redrawn"),
    )
    yield Experiment(
        "lobe_modularity",
        "size",
        "firing rates that drive both sides",
        firing.rates,
        _MODULARITY,
        ("frequency_stratified", "fixed_margins"),
    )
    yield Experiment(
        "lobe_function",
        "size",
        "independent firing at unequal rates",
        firing.independent,
        _FUNCTION,
        ("label_permutation",),
    )
    yield Experiment(
        "coactivation_graph", "size", "independent firing at unequal rates", firing.independent, _GRAPH,
        ("fixed_margins",),
    )  # fmt: skip
    yield Experiment(
        "coactivation_graph", "size", "independent firing at one rate", firing.one_rate, _GRAPH,
        ("fixed_margins", "label_permutation"),
    )  # fmt: skip


def _power() -> Iterator[Experiment]:
    yield Experiment(
        "lobe_modularity", "power", "two lobes that are places", partial(firing.lobes, geometry=1.0), _MODULARITY
    )
    yield Experiment("lobe_function", "power", "a lobe for each of two types", firing.lobes, _FUNCTION)
    yield Experiment("coactivation_graph", "power", "two lobes", firing.lobes, _GRAPH)


def _adversarial() -> Iterator[Experiment]:
    for words, simulate in firing.ODD.items():
        for metric, parameters in _OWN.items():
            every = 4 if metric == "lobe_modularity" else 2
            yield Experiment(metric, "adversarial", words, simulate, parameters, every=every)


EXPERIMENTS = (*_sizes(), *_power(), *_adversarial())

WITHOUT: dict[tuple[str, str], str] = {}
