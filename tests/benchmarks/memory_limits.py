"""Peak memory under three limits, of each metric of two runs: ``python tests/benchmarks/memory_limits.py``.

Prints a row for each metric of the galaxy and brain runs: what the plan states beside the measured peak, in a process
of its own for each limit. No peak may be above its plan. Parameters bound time and not memory: few draws, and some rows
where all pairs of 65,536 rows would be compared. Names of metrics measure those alone.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from decoder_stores import write_store
from large import measured_run

from saegeom_data.data import write
from saegeom_data.testing.simulate import simulate_store

HEADER = "| metric | rows compared | limit | planned | measured | planned / measured |\n|---|--:|--:|--:|--:|--:|"
LIMITS = "1GB", "2GB", "4GB"
N, HIDDEN, N_SAES = 65_536, 768, 4
# Features and blocks of text of stores for metrics of the brain.
FIRING, BLOCKS = 8192, 8192
_FEW = {"n_surrogates": 1}
GALAXY: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("eigenvalue_slope", {}),
    ("isotropy", {}),
    ("clustering_entropy", {"n_samples": 8192, "n_subsamples": 4, **_FEW}),
    ("neighbour_angle", {"n_samples": 8192, **_FEW}),
    ("intrinsic_dimension", {"n_samples": 16_384, **_FEW}),
    ("hubness", {"n_samples": 16_384, **_FEW}),
    ("packing", {"n_samples": 16_384, **_FEW}),
    ("neighbour_angle", {"n_surrogates": 1}),
)
BRAIN: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("lobes", {"n_lobes": [2, 8]}),
    ("coactivation_graph", {"n_seeds": 3, "n_permutations": 20, "n_redraws": 2}),
    ("lobe_function", {"n_lobes": [2, 3], "n_seeds": 3, "n_permutations": 20}),
    ("lobe_modularity", {"n_lobes": [2, 8], "n_seeds": 3, "n_permutations": 20, "n_redraws": 2}),
)


def rows(folder: Path, chosen: list[str]) -> Iterator[str]:
    """Lines of the table."""
    stores = {"galaxy": folder / "galaxy.zarr", "brain": folder / "brain.zarr"}
    if not stores["galaxy"].exists():
        write_store(stores["galaxy"], n_saes=N_SAES, n=N, hidden=HIDDEN)
    if not stores["brain"].exists():
        tree = simulate_store(n_saes=N_SAES, n_features=FIRING, n_hidden=HIDDEN, n_blocks=BLOCKS)
        write.write_tree(tree, stores["brain"])
    for scale, metrics in (("brain", BRAIN), ("galaxy", GALAXY)):
        for metric, parameters in metrics:
            if not chosen or metric in chosen:
                for limit in LIMITS:
                    yield row(folder, stores[scale], metric, parameters, limit)


def row(folder: Path, data: Path, metric: str, parameters: Mapping[str, Any], limit: str) -> str:
    """Measure one metric under one limit."""
    run = {"spec_version": 1, "kind": "run", "title": metric}
    run |= {"metrics": [{"metric": metric, "parameters": dict(parameters)}]}
    compared = parameters.get("n_samples", N if data.stem == "galaxy" else FIRING)
    said = f"| `{metric}` | {compared:,} | {limit} |"
    try:
        found = measured_run(folder, json.dumps(run), data, limit)
    except RuntimeError as error:
        line = str(error).strip().splitlines()[-1]
        if "MemoryLimitError" not in line:
            raise
        return f"{said} refused | | |"
    planned, measured = found["planned_bytes"], found["peak_bytes"]
    return f"{said} {planned / 1e9:.2f} GB | {measured / 1e9:.2f} GB | {planned / measured:.2f} |"


def main() -> None:
    """Print the table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("metrics", nargs="*")
    asked.add_argument("--folder", type=Path, help="keeps the stores from run to run")
    arguments = asked.parse_args()
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory() as made:
        for line in rows(arguments.folder or Path(made), arguments.metrics):
            print(line, flush=True)


if __name__ == "__main__":
    main()
