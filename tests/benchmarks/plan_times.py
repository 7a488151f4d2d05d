"""Times that plans state beside those measured (P19): ``python tests/benchmarks/plan_times.py`` (``make bench``).

Writes ``saegeom_data/guide/plan_times.md``. With names of sizes, their lines alone are printed, and nothing is written.
Both times are of processors, on one core: a machine that others use takes longer by the clock, but not much longer by
its processors.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Read when numpy is first imported. Rates are measured in this process, beside the times that they are compared with.
os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1") | {"SAEGEOM_CACHE": ""}

PAGE = Path(__file__).parents[2] / "saegeom_data" / "guide" / "plan_times.md"
RUNS = ("galaxy", "brain", "atom")
WITHIN = 2.0
# Parameters whose draws are whole clouds or redrawn data; times are in proportion to them.
DRAWS = ("n_surrogates", "n_redraws")
PERMUTATIONS = "n_permutations"


@dataclass(frozen=True)
class Size:
    """Data of one size, and how many clouds, and permutations of word pairs, are drawn at most."""

    words: str
    features: tuple[int, int, int] = (0, 0, 0)
    pairs: tuple[int, int, int] = (0, 0, 0)
    draws: int = 9
    permutations: int = 50


SIZES = {
    "tiny": Size("only warms up", (96, 24, 96), (3, 24, 12), draws=1, permutations=4),
    "small": Size("512 features x 64, 512 blocks; 4 relations of 30 pairs x 64", (512, 64, 512), (4, 30, 64)),
    "middle": Size("2,048 features x 128, 2,048 blocks; 8 of 60 x 128", (2048, 128, 2048), (8, 60, 128), 5, 20),
    "large": Size("4,800 features x 384, 2,048 blocks; 12 of 100 x 384", (4800, 384, 2048), (12, 100, 384), 2, 5),
    "sample": Size("one SAE of the bundled sample, 1,536 features x 384; one of its sites", draws=5, permutations=20),
}
HEADER = """\
| size | metric | draws | predicted | measured | ratio |
| :-- | :-- | :-- | --: | --: | --: |"""
INTRODUCTION = """\
# Times that a plan states

`saegeom run --plan` states how long a run takes, from what the stages of its metrics compute and how fast this machine
does each kind of work. Here that is compared with what was measured, for every metric of the runs galaxy, brain and
atom. Made by `python tests/benchmarks/plan_times.py`.

```bash
saegeom run galaxy --data mine.zarr --plan
```

Times are seconds of processors, on one core, so that others who use the machine hardly matter. Libraries are loaded and
kernels compiled before. A plan divides them by the cores that stages can use. Time is in proportion to draws of null
models, of which there are fewer here than in a run. Counts of work were fitted to measurements on one machine, at sizes
such as these; of other machines only the rates are known.
"""


def trees(size: str, folder: Path) -> tuple[Any, Any]:
    """Data of SAEs and of word pairs, lazy."""
    import saegeom_data
    from saegeom_data.testing import simulate

    chosen = SIZES[size]
    if not any(chosen.features):
        tree = saegeom_data.open(saegeom_data.sample_path()).__enter__()
        return tree, tree
    n, hidden, n_blocks = chosen.features
    simulate.write_simulated_store(
        folder / "features.zarr", n_features=n, n_hidden=hidden, n_blocks=n_blocks, n_lobes=16
    )
    n_relations, n_pairs, n_hidden = chosen.pairs
    relations = simulate.simulate_relations(
        n_relations=n_relations, n_pairs=n_pairs, n_hidden=n_hidden, distractor_strength=1.0
    )
    pairs = simulate.simulate_store(n_saes=1, n_features=60, n_blocks=60)
    words = ["relation", "source", "target", "length_difference"]
    site = pairs["relations"].children["hidden_state_0"].to_dataset(inherit=False)
    groups = {node.path: node.to_dataset(inherit=False) for node in pairs.subtree if "/relations" not in node.path}
    groups["/relations"] = relations[words].drop_vars(["site", "layer"]).drop_attrs()
    groups["/relations/hidden_state_0"] = relations.drop_vars(words).assign_coords(site.coords)
    return saegeom_data.open(folder / "features.zarr").__enter__(), type(pairs).from_dict(groups).chunk()


def parameters(name: str, given: dict[str, Any], size: str) -> tuple[dict[str, Any], str]:
    """Parameters of a metric on data of a size, and in words those that are draws."""
    from saegeom_data.declare.registry import get_metric

    metric, chosen = get_metric(name), SIZES[size]
    _, hidden, _ = chosen.features
    found = dict(given)
    if name == "eigenvalue_slope" and 0 < hidden < 150:
        found |= {"first_rank": 2, "last_rank": hidden // 2}
    if name == "clustering_entropy" and 0 < hidden < 100:
        found["n_components"] = hidden // 2
    known = metric.check_parameters(found)
    most = dict.fromkeys(DRAWS, chosen.draws)
    if metric.scale == "atom":
        most[PERMUTATIONS] = chosen.permutations
    drawn = {parameter: min(known[parameter], number) for parameter, number in most.items() if known.get(parameter)}
    return found | drawn, ", ".join(f"{parameter} {number}" for parameter, number in drawn.items())


def measured(tree: Any, metric: str, given: dict[str, Any]) -> tuple[float, float]:
    """Seconds of processors that a metric is predicted to take on one SAE or site, and that it took."""
    import dask

    from saegeom_data.data.selection import Selection
    from saegeom_data.engine import times
    from saegeom_data.engine.scheduler import opened
    from saegeom_data.engine.units import evaluate_units
    from saegeom_data.spec.models import RunSpec

    one = {"metric": metric, "parameters": given, "saes": "middle"}
    run = RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "One metric", "metrics": [one]})
    predicted = times.estimate(evaluate_units(run, Selection(tree)), 1, 1).all
    assert not predicted.is_least
    started = time.process_time()
    with opened("synchronous") as place, place.running():
        dask.compute(*(unit.dataset for unit in evaluate_units(run, Selection(tree))))
    return predicted.processor, time.process_time() - started


def rows(size: str, chosen: list[str]) -> Iterator[str]:
    """Lines of the table of one size."""
    from saegeom_data.spec.models import RunSpec, find_spec, load_spec

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tiny").mkdir()
        saes, sites = trees(size, Path(folder))
        warm = trees("tiny", Path(folder) / "tiny")
        for run in RUNS:
            for each in load_spec(find_spec(run, "runs"), RunSpec).metrics:
                if chosen and each.metric not in chosen:
                    continue
                given, words = parameters(each.metric, each.parameters, size)
                at = run == "atom"
                measured(warm[at], each.metric, parameters(each.metric, each.parameters, "tiny")[0])
                predicted, took = measured(sites if at else saes, each.metric, given)
                ratio = predicted / took
                mark = "" if 1 / WITHIN <= ratio <= WITHIN else " beyond"
                yield f"| {size} | {each.metric} | {words} | {predicted:.2f} | {took:.2f} | {ratio:.2f}{mark} |"


def main() -> None:
    """Measure all sizes and write the page, or print the lines of those that are named."""
    if sys.argv[1:]:
        sizes = [name for name in sys.argv[1:] if name in SIZES]
        for size in sizes:
            for line in rows(size, [name for name in sys.argv[1:] if name not in SIZES]):
                print(line, flush=True)
        return
    lines = []
    for size in list(SIZES)[1:]:
        # A process for each: what one holds must not slow down the next.
        done = subprocess.run([sys.executable, __file__, size], stdout=subprocess.PIPE, text=True, check=True)
        lines += done.stdout.splitlines()
        print(done.stdout, end="", flush=True)
    write_page(lines)


def write_page(lines: list[str]) -> None:
    """Write the page from the lines of all sizes."""
    sizes = "\n".join(f"- {name}: {SIZES[name].words}" for name in list(SIZES)[1:])
    ratios = [float(line.split("|")[6].split()[0]) for line in lines]
    summary = f"Ratios are {min(ratios):.2f} to {max(ratios):.2f}; {WITHIN:g} times either way is the target."
    known = {tuple(cell.strip() for cell in line.split("|")[1:3]) for line in lines}
    metrics = dict.fromkeys(metric for _, metric in sorted(known))
    absent = [f"{size} {metric}" for size in list(SIZES)[1:] for metric in metrics if (size, metric) not in known]
    if absent:
        summary += f" Not measured: {', '.join(absent)}."
    PAGE.write_text("\n\n".join([INTRODUCTION.strip(), sizes, summary, "\n".join([HEADER, *lines])]) + "\n", "utf-8")


if __name__ == "__main__":
    main()
