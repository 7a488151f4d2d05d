"""The brain scale at the paper's size: ``python tests/benchmarks/paper.py [FOLDER]`` (``make bench-large``)."""

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


def measure(folder: Path, *, n_features: int, n_hidden: int, n_blocks: int, most: int, limit: str) -> dict[str, Any]:
    """Write a store by the public simulator, and run it under a limit."""
    from saegeom_data.testing import write_simulated_store

    data = folder / "paper.zarr"
    if not data.exists():
        write_simulated_store(data, n_features=n_features, n_hidden=n_hidden, n_blocks=n_blocks, n_lobes=16)
    counts = [2**power for power in range(1, most.bit_length())]
    return measured_run(folder, RUN % {"counts": counts}, data, limit)


def main() -> None:
    """Measure 16,384 features in 2,304 dimensions on 150,000 blocks, 2 to 1,024 lobes, 100 permutations, under 8 GB."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    found = measure(folder, n_features=16_384, n_hidden=2304, n_blocks=150_000, most=1024, limit="8GB")
    print("| | task | time | target | planned peak | measured peak | target |\n|---|---|---|---|---|---|---|")
    print(
        f"| P6 | lobes 2 to 1,024 of 16,384 features, 150,000 blocks, 100 nulls | {found['seconds'] / 60:.1f} min | "
        f"15 min | {found['planned_bytes'] / 1e9:.2f} GB | {found['peak_bytes'] / 1e9:.2f} GB | 8 GB |"
    )


if __name__ == "__main__":
    main()
