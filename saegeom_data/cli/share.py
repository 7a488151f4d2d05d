"""Commands that look at what others share: compare results, check a benchmark, list datasets."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saegeom_data.cli.terminal import (
    Json,
    MemoryLimit,
    PlanOnly,
    Scheduler,
    print_json,
    print_table,
    say,
    task_progress,
    write_text,
)
from saegeom_data.errors import ParameterError
from saegeom_data.remote.address import is_remote
from saegeom_data.results import open
from saegeom_data.shown import without_secrets

if TYPE_CHECKING:
    from saegeom_data.results.summary import Table
    from saegeom_data.share.benchmark import Benchmark, Checked


def compare(
    results: Annotated[
        list[str],
        typer.Argument(metavar="RESULTS...", help="Folders of runs' results, the stores in them, or their URLs."),
    ],
    sort: Annotated[str | None, typer.Option(help="Column to sort by: its heading, or the name of a value.")] = None,
    descending: Annotated[bool, typer.Option("--descending", help="Sort from the largest to the smallest.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table as Markdown, to paste into a paper.")
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print the table as CSV, with unrounded values.")] = False,
    html: Annotated[Path | None, typer.Option(help="HTML file to write: one page with a sortable table.")] = None,
    as_json: Json = False,
) -> None:
    """Show results side by side. One row per SAE, with intervals, nulls, versions, and whether L0 and width agree."""
    from saegeom_data.data.staging import refuse_existing
    from saegeom_data.report import comparison_page
    from saegeom_data.results import comparison

    if sum([markdown, csv, as_json, html is not None]) > 1:
        raise ParameterError("compare: got more than one of --markdown, --csv, --json and --html; give one")
    if html is not None:
        refuse_existing(html)
    trees = {label: open.open_results(path) for label, path in _labels(results).items()}
    found = comparison.compare(trees)
    if sort is not None:
        found = comparison.sort_rows(found, sort, descending=descending)
    if html is not None:
        write_text(html, comparison_page.comparison_html(found))
    elif as_json:
        print_json(comparison_page.comparison_json(found))
    elif csv or markdown:
        text = comparison_page.comparison_csv(found) if csv else comparison_page.comparison_markdown(found)
        say(text, nl=False)
    else:
        print_table(found.table)
        for sentence in found.cautions:
            say(f"caution: {sentence}")
        for line in comparison_page.method_lines(found):
            say(f"* {line}")


def check(
    benchmark: Annotated[
        str,
        typer.Argument(
            metavar="BENCHMARK", help="A benchmark: a path, or the name of one that comes with the package."
        ),
    ],
    data: Annotated[
        str | None, typer.Option("--data", help="Store to measure, a path or URL; the benchmark's own if not given.")
    ] = None,
    scheduler: Scheduler = "threads",
    memory_limit: MemoryLimit = None,
    plan: PlanOnly = False,
    as_json: Json = False,
) -> None:
    """Recompute the values of a benchmark. Compare each with what is expected, and exit with 1 if any differs."""
    from saegeom_data.engine.sizes import parse_size
    from saegeom_data.share import benchmark as benchmarks
    from saegeom_data.spec.models import find_spec, load_spec

    loaded = load_spec(find_spec(benchmark, "benchmarks"), benchmarks.Benchmark, benchmarks.check_benchmark)
    if plan:
        planned = _plan(loaded, data)
        print_json(planned) if as_json else _show_plan(planned)
        return
    limit = None if memory_limit is None else parse_size(memory_limit)
    with task_progress("computing") as progress:
        found = benchmarks.check(loaded, data, scheduler=scheduler, memory_limit=limit, progress=progress)
    failed = sum(value.verdict == "fail" for value in found)
    judged = sum(value.verdict != "not judged" for value in found)
    if as_json:
        print_json({"benchmark": loaded.title, "failed": failed, "judged": judged, "values": _checked_rows(found)})
    else:
        print_table(_checked_table(found))
        say(f"{loaded.title}: {judged - failed} of {judged} values are as expected")
    if failed:
        # 1 for values that differ, 2 for a check that could not be made: scripts need to tell them apart.
        raise typer.Exit(1)


def list_datasets(catalogue: str | None, verify: bool, as_json: bool) -> None:
    """List shipped and catalogued datasets; with ``verify``, open each catalogued one first."""
    from saegeom_data.share.catalogue import dataset_rows, load_catalogue, open_entry

    if verify and catalogue is None:
        raise ParameterError("--verify: needs --catalogue, whose datasets it opens")
    loaded = None if catalogue is None else load_catalogue(catalogue)
    for entry in loaded.datasets if loaded is not None and verify else []:
        # Opening compares the root hash, and raises where it is another.
        open_entry(entry).close()
    rows = list(dataset_rows(loaded))
    if as_json:
        print_json({"datasets": rows})
    else:
        print_table(_dataset_table(rows))


def _dataset_table(rows: list[dict[str, Any]]) -> Table:
    from saegeom_data.engine.sizes import size_text
    from saegeom_data.results.columns import Column
    from saegeom_data.results.summary import Table

    shown = [
        {
            "name": row["name"],
            "from": row["from"],
            "size": None if row["bytes"] is None else size_text(row["bytes"]),
            "licence": row["license"],
            "SAEs": str(row["saes"]),
            "sites": _range(row["sites"]),
            "widths": _range(row["widths"]),
            "L0": _range(row["l0"]),
            "root": row["root"] and row["root"][:12],
        }
        for row in rows
    ]
    return Table(tuple(Column(name, (name,)) for name in shown[0]), tuple(shown))


def _range(values: list[Any]) -> str:
    """All of a few values, or the first and the last with their number."""
    words = [f"{value:g}" if not isinstance(value, str) and value < 1e5 else str(value) for value in values]
    return ", ".join(words) if len(words) < 3 else f"{words[0]} to {words[-1]} ({len(words)})"


def _plan(benchmark: Benchmark, data: str | None) -> dict[str, Any]:
    """What a check would do, from what the benchmark says alone."""
    from saegeom_data.share.benchmark import data_address, how_to_get, label, version_problems

    dataset = benchmark.dataset
    try:
        address = str(data_address(benchmark, data))
    except ParameterError:
        address = how_to_get(dataset)
    return {
        "title": benchmark.title,
        "dataset": dataset.name or dataset.url,
        "root": dataset.root or "not pinned; any store of that name is measured",
        "data": address,
        "metrics": [
            {"group": metric.group, "metric": metric.metric, "version": benchmark.versions[metric.metric],
             "parameters": metric.parameters, "saes": metric.saes, "features": metric.features}
            for metric in benchmark.run.metrics
        ],
        "refused": [str(problem) for problem in version_problems(benchmark)],
        "values": [
            {"value": label(value), "expected": value.expected, "tolerance": value.tolerance,
             "reference": value.reference}
            for value in benchmark.expected
        ],
    }  # fmt: skip


def _show_plan(planned: dict[str, Any]) -> None:
    from saegeom_data.engine.sizes import plan_line

    for name in ("title", "dataset", "root", "data"):
        say(plan_line(name, planned[name]))
    for metric in planned["metrics"]:
        given = ", ".join(f"{name}={value}" for name, value in metric["parameters"].items())
        named = "" if metric["group"] == metric["metric"] else f"{metric['group']}: "
        version = f"{named}{metric['metric']} version {metric['version']}"
        which = ", of features that fire" if metric["features"] == "firing" else ""
        say(plan_line("metric", f"{version}{which}{f', {given}' if given else ''}"))
    for line in planned["refused"]:
        say(plan_line("refused", line))
    for value in planned["values"]:
        judged = f"{value['expected']:g} ± {value['tolerance']:g}" if value["expected"] is not None else "not judged"
        cited = f"  ({value['reference']})" if value["reference"] else ""
        say(plan_line("value", f"{value['value']}: {judged}{cited}"))


def _checked_rows(found: list[Checked]) -> list[dict[str, Any]]:
    from saegeom_data.share.benchmark import label

    return [
        {
            "of": label(value.asked),
            "value": value.value,
            "expected": value.asked.expected,
            "tolerance": value.asked.tolerance,
            "difference": value.difference,
            "verdict": value.verdict,
            "reference": value.asked.reference or None,
        }
        for value in found
    ]


def _checked_table(found: list[Checked]) -> Table:
    from saegeom_data.results.cells import Cell, cell_of
    from saegeom_data.results.columns import Column
    from saegeom_data.results.summary import Table

    def show(value: Any) -> Cell:
        return cell_of(f"{value:.6g}".replace("-", "−") if isinstance(value, int | float) else value)

    rows = _checked_rows(found)
    # Columns that are empty throughout, such as references, would only take width.
    kept = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    return Table(tuple(Column(name, (name,), show) for name in kept), tuple(rows))


def _labels(addresses: list[str]) -> dict[str, str]:
    """Short names of results: the last part of their address, or all of it where that is not theirs alone."""
    from saegeom_data.results.open import results_in

    seen: set[str] = set()
    for address in addresses:
        inside = results_in(address)
        # By its real path, so that one folder under two names is found out.
        place = inside if is_remote(inside) else os.path.realpath(inside)
        if place in seen:
            raise ParameterError(f"compare: {address} is given twice; give each result once")
        seen.add(place)
    shown = [without_secrets(address) for address in addresses]
    short = [Path(address.rstrip("/").removesuffix("/results.zarr")).name or address for address in shown]
    counts = Counter(short)
    named = [name if counts[name] == 1 else address for name, address in zip(short, shown, strict=True)]
    return dict(zip(named, addresses, strict=True))
