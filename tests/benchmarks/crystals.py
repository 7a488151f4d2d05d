"""Planted crystals among 16,384 features: ``python tests/benchmarks/crystals.py [FOLDER]`` (``make bench-large``).

``--features``, ``--hidden``, ``--planted`` and ``--seeds`` make it smaller: 2,048 features take minutes.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from large import measured_run

from saegeom_data.data import write
from saegeom_data.results import open

RUN = """\
spec_version: 1
kind: run
title: Planted crystals
metrics:
  - metric: crystal_search
    parameters: {n_best: %d, n_pairs_listed: %d}
"""
NOISES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6)
KINDS = ("parallelogram", "trapezoid")
RATE = 0.05


def measure(
    folder: Path, *, n_features: int, n_hidden: int, n_planted: int, exponent: float, seed: int, limit: str
) -> dict[str, Any]:
    """Plant crystals of each kind at each noise, none if ``n_planted`` is 0; search; compare with the truth.

    Of the result, ``recall`` is the share of planted crystals, by kind and noise, whose sides are both in one family
    that is found; ``n_found`` are the families found by kind. Of these ``n_mixed`` join sides of several planted
    crystals, which a spectrum makes alike: few of its directions hold most of every side. ``n_false`` hold no two sides
    that were planted.
    """
    data = folder / f"crystals_{n_planted}_{exponent:g}_{seed}.zarr"
    planted = _write(data, n_features, n_hidden, n_planted=n_planted, exponent=exponent, seed=seed)
    most = max(200, 8 * n_planted * len(NOISES))
    measured = measured_run(folder, RUN % (most, 10 * most), data, limit)
    return measured | _compared(Path(measured["results"]), planted)


def _write(
    path: Path, n_features: int, n_hidden: int, *, n_planted: int, exponent: float, seed: int
) -> dict[tuple[str, float], set[tuple[int, ...]]]:
    from saegeom_data.testing.simulate import simulate_crystals

    size = 8 * n_planted
    planted = {"n_parallelograms": n_planted, "n_trapezoids": n_planted, "n_features": size}
    none = {"n_parallelograms": 0, "n_trapezoids": 0, "n_features": n_features - size * len(NOISES)}
    shared = {"n_hidden": n_hidden, "spectrum_exponent": exponent}
    draws = [
        simulate_crystals(noise=noise, seed=100 * seed + index, **planted, **shared)
        for index, noise in enumerate(NOISES)
        if n_planted
    ]
    rest = simulate_crystals(seed=100 * seed + len(NOISES), **none, **shared)
    place = np.random.default_rng(seed).permutation(n_features)
    decoder = np.empty((n_features, n_hidden), np.float32)
    decoder[place] = np.concatenate([draw.decoder.values for draw in (*draws, rest)])
    coords = {name: rest.coords[name] for name in ("site", "layer", "l0")} | {"width": n_features}
    features = xr.Dataset({"decoder": (("features", "hidden"), decoder)}, coords, rest.attrs)
    root = xr.Dataset(attrs={"format_version": 1, "title": "Planted crystals", "license": "CC0-1.0"})
    write.write_tree(xr.DataTree.from_dict({"/": root, "/saes/layer_0/features": features}), path)
    truth = {}
    for index, (noise, draw) in enumerate(zip(NOISES, draws, strict=False)):
        for kind in KINDS:
            corner = place[size * index + draw.true_corner.values[draw.kind.values == kind]]
            truth[kind, noise] = {tuple(corners) for corners in corner.tolist()}
    return truth


def _compared(results: Path, planted: dict[tuple[str, float], set[tuple[int, ...]]]) -> dict[str, Any]:
    """Families found, as sets of their pairs, beside the two sides of each planted crystal."""
    result = open.open_results(results)["crystal_search"].to_dataset().isel(sae=0)
    found = {kind: _found(result.sel(kind=kind)) for kind in KINDS}
    sides = [_sides(corner) for corners in planted.values() for corner in corners]
    every = frozenset().union(*sides)
    return {
        "recall": {
            key: sum(any(_sides(corner) <= family for family in found[key[0]]) for corner in corners) / len(corners)
            for key, corners in planted.items()
        },
        "n_found": {kind: len(families) for kind, families in found.items()},
        "n_mixed": {
            kind: sum(sum(bool(family & crystal) for crystal in sides) > 1 for family in families)
            for kind, families in found.items()
        },
        "n_false": {kind: sum(len(family & every) < 2 for family in families) for kind, families in found.items()},
    }


def _found(result: xr.Dataset) -> list[frozenset[frozenset[int]]]:
    """Families of one kind that are found, each as the set of its pairs."""
    q = result.family_q.max("null", skipna=False).values
    pairs, family = result.pair.values.astype(int), result.pair_family.values
    return [
        frozenset(frozenset(pair) for pair in pairs[family == place].tolist()) for place in np.flatnonzero(q <= RATE)
    ]


def _sides(corner: tuple[int, ...]) -> frozenset[frozenset[int]]:
    """The two sides that agree, whichever is first and whichever way they point."""
    return frozenset((frozenset(corner[:2]), frozenset(corner[2:])))


def main() -> None:
    """Measure features that are isotropic and with a spectrum, with crystals and without."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    for name, default in (("features", 16_384), ("hidden", 256), ("planted", 15), ("seeds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    folder = Path(given.folder or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    noises = " | ".join(f"{noise:g}" for noise in NOISES)
    print(
        f"| spectrum exponent | seed | kind | found | of several planted | false | recall at noise {noises} | "
        "planned peak | measured peak | time |"
    )
    print("|---" * (len(NOISES) + 9) + "|", flush=True)
    seeds = range(given.seeds), range(given.seeds, 2 * given.seeds)
    for n_planted, own in zip((given.planted, 0), seeds, strict=True):
        for exponent in (0.0, 1.0):
            for seed in own:
                sizes = {"n_features": given.features, "n_hidden": given.hidden, "n_planted": n_planted}
                _print_rows(exponent, seed, measure(folder, **sizes, exponent=exponent, seed=seed, limit="4GB"))


def _print_rows(exponent: float, seed: int, found: dict[str, Any]) -> None:
    for kind in KINDS:
        recall = [found["recall"].get((kind, noise)) for noise in NOISES]
        shown = " | ".join("" if share is None else f"{share:.2f}" for share in recall)
        print(
            f"| {exponent:g} | {seed} | {kind} | {found['n_found'][kind]} | {found['n_mixed'][kind]} | "
            f"{found['n_false'][kind]} | {shown} | {found['planned_bytes'] / 1e9:.2f} GB | "
            f"{found['peak_bytes'] / 1e9:.2f} GB | "
            f"{found['seconds'] / 60:.1f} min |",
            flush=True,
        )


if __name__ == "__main__":
    main()
