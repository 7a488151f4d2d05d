"""Brain scale at the paper's size and past it: ``python tests/benchmarks/paper.py [FOLDER]`` (``make bench-large``)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from large import measured_run

RUN = """\
spec_version: 1
kind: run
title: The brain scale at the paper's size
metrics:
  - metric: lobes
    parameters: {n_lobes: %(counts)s, n_seeds: 3}
  - metric: lobe_modularity
    parameters: {n_lobes: %(counts)s, n_seeds: 3, n_permutations: 100, n_redraws: 0}
  - metric: lobe_function
    parameters: {n_lobes: [2, 3, 4, 8], n_seeds: 3, n_permutations: 100}
"""
WIDE = """\
spec_version: 1
kind: run
title: Lobes of a width whose matrix of affinities does not fit memory
metrics:
  - metric: lobes
    parameters: {n_lobes: %(counts)s, n_neighbours: %(n_neighbours)s, n_seeds: 3}
"""
# Features, most lobes, limit and neighbours.
WIDTHS = ((131_072, 128, "8GB", 32), (131_072, 128, "8GB", None), (1_000_000, 16, "16GB", None))


def measure(folder: Path, *, n_features: int, n_hidden: int, n_blocks: int, most: int, limit: str) -> dict[str, Any]:
    """Write a store by the public simulator, and run the brain scale on it under a limit."""
    data = _simulated(folder / "paper.zarr", n_features=n_features, n_hidden=n_hidden, n_blocks=n_blocks)
    return measured_run(folder, RUN % {"counts": _counts(most)}, data, limit)


def measure_wide(
    folder: Path, *, n_features: int, n_blocks: int, most: int, limit: str, n_neighbours: int | None
) -> dict[str, Any]:
    """Write a wide store, and find lobes by all affinities, or in its graph of strongest ones, under a limit."""
    data = _simulated(folder / f"wide-{n_features}.zarr", n_features=n_features, n_hidden=16, n_blocks=n_blocks)
    run = WIDE % {"counts": _counts(most), "n_neighbours": "null" if n_neighbours is None else n_neighbours}
    return measured_run(folder, run, data, limit)


def _simulated(path: Path, **sizes: int) -> Path:
    from saegeom_data.testing.simulate import write_simulated_store

    if not path.exists():
        write_simulated_store(path, n_lobes=16, **sizes)
    return path


def _counts(most: int) -> list[int]:
    return [2**power for power in range(1, most.bit_length())]


def main() -> None:
    """Measure 16,384 features on 150,000 blocks, 2 to 1,024 lobes; and 131,072 features and a million on 8,192."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    print(
        "| | task | time | target | planned peak | measured peak | target |\n|---|---|---|---|---|---|---|", flush=True
    )
    found = measure(folder, n_features=16_384, n_hidden=2304, n_blocks=150_000, most=1024, limit="8GB")
    _print_row("P6", "lobes 2 to 1,024 of 16,384 features, 150,000 blocks, 100 nulls", "15 min", "8 GB", found)
    for n_features, most, limit, n_neighbours in WIDTHS:
        found = measure_wide(
            folder, n_features=n_features, n_blocks=8192, most=most, limit=limit, n_neighbours=n_neighbours
        )
        which = "all affinities" if n_neighbours is None else f"{n_neighbours} strongest affinities each"
        _print_row("", f"lobes 2 to {most} of {n_features:,} features, 8,192 blocks, {which}", "", "", found)


def _print_row(name: str, task: str, time: str, memory: str, found: dict[str, Any]) -> None:
    print(
        f"| {name} | {task} | {found['seconds'] / 60:.1f} min | {time} | {found['planned_bytes'] / 1e9:.2f} GB | "
        f"{found['peak_bytes'] / 1e9:.2f} GB | {memory} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
