"""Experiments on metrics of the cloud of decoder rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import decoders
from experiment import Experiment

_DRAWN = ("neighbour_angle", "intrinsic_dimension", "hubness", "packing")
# Few draws where it only matters whether p is below 5 percent.
_FEW = {"n_surrogates": 39}
_ALL = {"n_surrogates": 99}
_OWN = {
    "eigenvalue_slope": {"first_rank": 2, "last_rank": 10, "first_share": 0.2, "last_share": 0.8},
    "clustering_entropy": {"n_components": 6, "k": (3,)},
    "intrinsic_dimension": {"k": (5,)},
    "hubness": {"k": 5},
}


def _sized(metric: str, draws: dict[str, int]) -> dict[str, object]:
    counted = draws if metric in (*_DRAWN, "clustering_entropy") else {}
    return {**_OWN.get(metric, {}), **counted}


def _sizes() -> Iterator[Experiment]:
    for metric in ("neighbour_angle", "packing"):
        labels = ("uniform_sphere", "spectrum_matched")
        yield Experiment(metric, "size", "uniform directions", decoders.uniform, _sized(metric, _ALL), labels)
    for metric in ("intrinsic_dimension", "hubness"):
        parameters, labels = _sized(metric, _ALL), ("spectrum_matched",)
        yield Experiment(metric, "size", "directions of a spectrum", decoders.unit_gaussian, parameters, labels)
    yield Experiment(
        "isotropy", "size", "uniform directions", decoders.uniform, {}, ("uniform_sphere",), truth={"mean_cosine": 0.0}
    )
    yield from _sizes_of_spectra()
    yield from _sizes_of_entropy()


def _sizes_of_spectra() -> Iterator[Experiment]:
    data = {
        "uniform directions": (decoders.uniform, ("marchenko_pastur", "families_turned")),
        "uniform directions with log-normal norms": (decoders.lognormal_norms, ("families_turned",)),
        "Gaussian rows, variances r ** -1": (decoders.gaussian, ("power_law",)),
    }
    for words, (simulate, labels) in data.items():
        parameters = _sized("eigenvalue_slope", _ALL)
        yield Experiment("eigenvalue_slope", "size", words, partial(simulate, n=300, hidden=16), parameters, labels)


def _sizes_of_entropy() -> Iterator[Experiment]:
    entropy = _sized("clustering_entropy", _ALL)
    yield Experiment(
        "clustering_entropy", "size", "Gaussian rows", decoders.gaussian, entropy, ("gaussian_scores",),
        truth={"negentropy": 0.0},
    )  # fmt: skip
    yield Experiment(
        "clustering_entropy", "size", "Gaussian rows divided to norm 1", decoders.unit_gaussian, entropy,
        ("angular_central_gaussian",), truth={"negentropy": 0.0},
    )  # fmt: skip
    yield Experiment(
        "clustering_entropy", "size", "independent t3 coordinates of different variance", decoders.student_on_axes,
        entropy, ("shuffled_components",), truth={"negentropy": 0.0},
    )  # fmt: skip


def _power() -> Iterator[Experiment]:
    planted = {
        "eigenvalue_slope": ("variances r ** -1", partial(decoders.unit_gaussian, n=300, hidden=16)),
        "clustering_entropy": ("five clusters", decoders.clusters),
        "isotropy": ("directions drawn to one side", decoders.around_a_mean),
        "neighbour_angle": ("five clusters", decoders.clusters),
        "intrinsic_dimension": ("a curve through all dimensions", decoders.curve),
        "hubness": ("directions around one mean, near it and far", decoders.core),
        "packing": ("five pairs of near copies", decoders.near_copies),
    }
    for metric, (words, simulate) in planted.items():
        yield Experiment(metric, "power", words, simulate, _sized(metric, _FEW), every=2)


def _adversarial() -> Iterator[Experiment]:
    for words, simulate in decoders.ODD.items():
        for metric in ("eigenvalue_slope", "isotropy", "clustering_entropy", *_DRAWN):
            yield Experiment(metric, "adversarial", words, simulate, _sized(metric, _FEW), every=2)


EXPERIMENTS = (*_sizes(), *_power(), *_adversarial())

# Null models without an experiment of size, by metric and label, with the reason.
WITHOUT: dict[tuple[str, str], str] = {}
