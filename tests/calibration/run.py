"""Measure size, coverage and power of every metric: ``python tests/calibration/run.py`` (``make calibration``).

Records of single seeds are kept in ``saegeom-results/calibration.jsonl``, and a later call goes on with them. All of it
writes ``saegeom_data/guide/calibration.md``; with ``--metric NAME`` the tables of one metric are printed.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

# Before numpy is imported, here and in the processes that are started: each has one core.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "saegeom_data" / "guide" / "calibration.md"
RECORDS = ROOT / "saegeom-results" / "calibration.jsonl"


def main() -> None:
    """Run what the command line names."""
    from experiments import EXPERIMENTS, WITHOUT
    from page import N_SEEDS, page
    from sweep import slowest, sweep

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=N_SEEDS, help=f"seeds of each experiment (default: {N_SEEDS})")
    parser.add_argument("--metric", help="one metric alone; prints its tables")
    parser.add_argument("--processes", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--anew", action="store_true", help="forget the records of earlier calls")
    options = parser.parse_args()
    if options.anew:
        RECORDS.unlink(missing_ok=True)
    chosen = [one for one in EXPERIMENTS.values() if options.metric in (None, one.declared.name)]
    if not chosen:
        parser.error(f"--metric: got {options.metric}, expected a metric that has experiments")
    found = sweep(chosen, options.seeds, RECORDS, n_processes=options.processes)
    for key, seconds in slowest(found):
        print(f"{seconds:6.2f} s  {key}", file=sys.stderr)
    text = page(chosen, found, WITHOUT if options.metric is None else {}, options.seeds)
    if options.metric is None:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
