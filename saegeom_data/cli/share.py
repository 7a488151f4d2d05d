"""Commands that share data and results: publish, compare, check and list them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saegeom_data.cli.terminal import Json, MemoryLimit, Scheduler, print_json, print_table, task_progress
from saegeom_data.errors import ParameterError
from saegeom_data.remote.address import is_remote
from saegeom_data.results import open

if TYPE_CHECKING:
    from saegeom_data.results.summary import Table
    from saegeom_data.share.benchmark import Benchmark, Checked


def publish(
    path: Annotated[str, typer.Argument(metavar="STORE", help="A store, or the folder of a run's results.")],
    url: Annotated[
        str,
        typer.Argument(help="A folder, a file ending in .zip, s3://bucket/prefix or hf://datasets/owner/name@tag."),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would go where, and send nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Publish a store with its card, citation, licences and tables; what is published already is never changed."""
    from saegeom_data.engine.sizes import size_text
    from saegeom_data.share import publish

    with task_progress("publishing", unit="bytes") as progress:
        done = publish.publish(open.results_in(path), url, dry_run=dry_run, progress=progress)
    if as_json:
        print_json({"address": done.address, "root": done.root, "store_root": done.store_root, "sent": done.sent})
        return
    if dry_run:
        for name in done.sent:
            typer.echo(f"{done.files[name]:>12,}  {done.address.rstrip('/')}/{name}")
    size = size_text(sum(done.files[name] for name in done.sent))
    would = "would be sent" if dry_run else "sent"
    said = f"{len(done.sent)} files, {size}, {would}" if done.sent else "published already, nothing to send"
    typer.echo(f"{done.address}: {said}, root {done.root}")


def compare(
    results: Annotated[
        list[str], typer.Argument(metavar="OUT...", help="Folders of runs' results, the stores in them, or their URLs.")
    ],
    sort: Annotated[str | None, typer.Option(help="Column to sort by: its heading, or the name of a value.")] = None,
    descending: Annotated[bool, typer.Option("--descending", help="Sort from the largest down.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, to paste into a paper.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, every value unrounded.")] = False,
    html: Annotated[Path | None, typer.Option(help="File to write: one page with a sortable table.")] = None,
    as_json: Json = False,
) -> None:
    """Show results side by side: one row an SAE, with intervals, nulls, versions, and whether L0 and width agree."""
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
        _write(html, comparison_page.comparison_html(found))
    elif as_json:
        print_json(comparison_page.comparison_json(found))
    elif csv or markdown:
        text = comparison_page.comparison_csv(found) if csv else comparison_page.comparison_markdown(found)
        typer.echo(text, nl=False)
    else:
        print_table(found.table)
        for sentence in found.cautions:
            typer.echo(f"caution: {sentence}")
        for line in comparison_page.method_lines(found):
            typer.echo(f"* {line}")


def check(
    benchmark: Annotated[str, typer.Argument(help="A benchmark: a path, or the name of one that comes along.")],
    data: Annotated[
        str | None, typer.Option("--data", help="Store to measure, a path or URL; the benchmark's own if not given.")
    ] = None,
    scheduler: Scheduler = "threads",
    memory_limit: MemoryLimit = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be computed, from what; reach nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Recompute the values of a benchmark, and say of each whether it is as expected; exit with 1 if any is not."""
    from saegeom_data.engine.sizes import parse_size
    from saegeom_data.share import benchmark as benchmarks
    from saegeom_data.spec.models import find_spec, load_spec

    loaded = load_spec(find_spec(benchmark, "benchmarks"), benchmarks.Benchmark)
    if plan:
        benchmarks.check_benchmark(loaded)
        planned = _plan(loaded, data)
        print_json(planned) if as_json else _show_plan(planned)
        return
    limit = None if memory_limit is None else parse_size(memory_limit)
    with task_progress("computing") as progress:
        found = benchmarks.check(loaded, data, scheduler=scheduler, memory_limit=limit, progress=progress)
    failed = sum(one.verdict == "fail" for one in found)
    judged = sum(one.verdict != "not judged" for one in found)
    if as_json:
        print_json({"benchmark": loaded.title, "failed": failed, "judged": judged, "values": _checked_rows(found)})
    else:
        print_table(_checked_table(found))
        typer.echo(f"{loaded.title}: {judged - failed} of {judged} values are as expected")
    if failed:
        raise typer.Exit(1)


def benchmark(
    results: Annotated[
        str, typer.Argument(metavar="OUT", help="Folder of a run's results, the store in it, or its URL.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")],
    value: Annotated[
        list[str] | None,
        typer.Option("--value", help="GROUP/OUTPUT to expect; all single numbers of each SAE if not given."),
    ] = None,
    tolerance: Annotated[float, typer.Option(min=0, help="Largest relative difference that passes.")] = 1e-6,
    url: Annotated[str, typer.Option(help="Where the dataset is published.")] = "",
    title: Annotated[str, typer.Option(help="Title; that of the run if not given.")] = "",
) -> None:
    """Write a benchmark from results: what was found becomes what others should find."""
    from saegeom_data.data.staging import refuse_existing
    from saegeom_data.share.benchmark_writing import write_benchmark

    refuse_existing(output)
    with open.open_results(results) as tree:
        _write(output, write_benchmark(tree, values=value or (), tolerance=tolerance, url=url, title=title))


def catalogue(
    stores: Annotated[list[str], typer.Argument(metavar="STORE...", help="Published datasets: URLs or paths.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")],
    url: Annotated[str, typer.Option(help="Where others find the dataset, if there is one and it is a copy.")] = "",
    title: Annotated[str, typer.Option(help="Title of the catalogue.")] = "",
) -> None:
    """Write a catalogue of datasets: what is in each, its size, licence and root hash, from its own attributes."""
    from saegeom_data.data.staging import refuse_existing
    from saegeom_data.share.catalogue import catalogue_entry, write_catalogue

    if url and len(stores) > 1:
        raise ParameterError(f"--url: given for {len(stores)} datasets, expected one")
    refuse_existing(output)
    _write(output, write_catalogue([catalogue_entry(one, url=url) for one in stores], title=title))


def list_datasets(catalogue: str | None, verify: bool, as_json: bool) -> None:
    """List shipped and catalogued datasets; with ``verify``, open each catalogued one first."""
    from saegeom_data.share.catalogue import dataset_rows, load_catalogue, open_entry

    if verify and catalogue is None:
        raise ParameterError("--verify: needs the --catalogue whose datasets to open")
    loaded = None if catalogue is None else load_catalogue(catalogue)
    for entry in loaded.datasets if loaded is not None and verify else []:
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
    return Table(tuple(Column(name, (name,), lambda value: value or "–") for name in shown[0]), tuple(shown))


def _range(values: list[Any]) -> str:
    """All of a few values, or the first and the last with their number."""
    words = [str(one) if isinstance(one, str) else f"{one:g}" if one < 1e5 else str(one) for one in values]
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
            {"group": one.group, "metric": one.metric, "version": benchmark.versions[one.metric],
             "parameters": one.parameters, "saes": one.saes}
            for one in benchmark.run.metrics
        ],
        "refused": [str(problem) for problem in version_problems(benchmark)],
        "values": [
            {"value": label(one), "expected": one.expected, "tolerance": one.tolerance, "reference": one.reference}
            for one in benchmark.expected
        ],
    }  # fmt: skip


def _show_plan(planned: dict[str, Any]) -> None:
    from saegeom_data.engine.sizes import plan_line

    for name in ("title", "dataset", "root", "data"):
        typer.echo(plan_line(name, planned[name]))
    for one in planned["metrics"]:
        given = ", ".join(f"{name}={value}" for name, value in one["parameters"].items())
        named = "" if one["group"] == one["metric"] else f"{one['group']}: "
        version = f"{named}{one['metric']} version {one['version']}"
        typer.echo(plan_line("metric", f"{version}{f', {given}' if given else ''}"))
    for line in planned["refused"]:
        typer.echo(plan_line("refused", line))
    for one in planned["values"]:
        judged = f"{one['expected']:g} ± {one['tolerance']:g}" if one["expected"] is not None else "not judged"
        cited = f"  ({one['reference']})" if one["reference"] else ""
        typer.echo(plan_line("value", f"{one['value']}: {judged}{cited}"))


def _checked_rows(found: list[Checked]) -> list[dict[str, Any]]:
    from saegeom_data.share.benchmark import label

    return [
        {
            "of": label(one.asked),
            "value": one.value,
            "expected": one.asked.expected,
            "tolerance": one.asked.tolerance,
            "difference": one.difference,
            "verdict": one.verdict,
            "reference": one.asked.reference or None,
        }
        for one in found
    ]


def _checked_table(found: list[Checked]) -> Table:
    from saegeom_data.results.columns import Column
    from saegeom_data.results.summary import Table

    def show(value: Any) -> str:
        return "–" if value is None else value if isinstance(value, str) else f"{value:.6g}".replace("-", "−")

    rows = _checked_rows(found)
    kept = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    return Table(tuple(Column(name, (name,), show) for name in kept), tuple(rows))


def _labels(addresses: list[str]) -> dict[str, str]:
    """Short names of results: the last part of their address, or all of it where that is not theirs alone."""
    from saegeom_data.results.open import results_in

    seen: set[str] = set()
    for address in addresses:
        inside = results_in(address)
        place = inside if is_remote(inside) else os.path.realpath(inside)
        if place in seen:
            raise ParameterError(f"compare: {address} is given twice; give each result once")
        seen.add(place)
    short = [Path(address.rstrip("/").removesuffix("/results.zarr")).name or address for address in addresses]
    counts = Counter(short)
    return {name if counts[name] == 1 else address: address for name, address in zip(short, addresses, strict=True)}


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ParameterError(f"{path}: cannot be written: {error.strerror}; give another path") from error
    typer.echo(str(path))


COMMANDS = (publish, compare, check, benchmark, catalogue)
