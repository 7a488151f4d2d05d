"""The command line: ``saegeom``. Heavy imports stand inside the commands, so that ``--help`` answers at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from saegeom_data.cli import share
from saegeom_data.cli.terminal import (
    Json,
    MemoryLimit,
    Scheduler,
    print_json,
    print_table,
    show_progress,
    task_progress,
    without_nan,
)
from saegeom_data.data import manifest_of
from saegeom_data.errors import ParameterError, SaegeomError, UnknownNameError
from saegeom_data.remote.address import is_elsewhere
from saegeom_data.results import open

if TYPE_CHECKING:
    from saegeom_data.engine.planner import Plan

app = typer.Typer(
    name="saegeom",
    help="Measure the geometry of sparse-autoencoder features, and share the data it is measured on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Said = Annotated[
    list[str] | None,
    typer.Option(help="What the checkpoint does not say; PATTERN=VALUE for files of some names. May be repeated."),
]
WHAT = ("metrics", "datasets", "runs", "benchmarks")


@app.callback()
def _options(
    traceback: Annotated[bool, typer.Option("--traceback", help="Show the Python traceback of an error.")] = False,
) -> None:
    """Options of every command."""


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help="metrics, datasets, runs or benchmarks; all of them if not given.")] = "",
    catalogue: Annotated[
        str | None, typer.Option(help="File or URL of a catalogue, whose datasets are listed too.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Open each dataset of the catalogue, and compare its root hash.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List what there is: metrics, and the specs of datasets, runs and benchmarks that come with the package."""
    from saegeom_data.spec.models import shipped_specs

    if what and what not in WHAT:
        raise UnknownNameError("kind of thing to list", what, WHAT)
    if what == "datasets":
        share.list_datasets(catalogue, verify, as_json)
        return
    if catalogue is not None or verify:
        raise ParameterError("list: --catalogue and --verify are of datasets; expected saegeom list datasets")
    found: dict[str, dict[str, str]] = {}
    for kind in [what] if what else WHAT:
        if kind == "metrics":
            found[kind] = _metric_summaries()
        else:
            found[kind] = {name: _title(path) for name, path in shipped_specs(kind).items()}
    if as_json:
        print_json(found)
        return
    for kind, entries in found.items():
        typer.echo(f"{kind}:")
        for name, summary in entries.items():
            typer.echo(f"  {name:<28} {summary}")


@app.command()
def describe(
    name: Annotated[
        str, typer.Argument(help="Name of a metric or spec (benchmarks/NAME too), or path or URL of a store.")
    ],
    as_json: Json = False,
) -> None:
    """Say what a metric computes (inputs, outputs, parameters, source), print a spec, or the card of a dataset."""
    from saegeom_data.declare.registry import get_metric, list_metrics
    from saegeom_data.spec.models import shipped_specs

    of_kinds = [(kind, one, path) for kind in WHAT[1:] for one, path in shipped_specs(kind).items()]
    specs = {f"{kind}/{one}": path for kind, one, path in of_kinds}
    # A benchmark may be named like its dataset or run, which come first.
    specs |= {one: path for _, one, path in reversed(of_kinds)}
    if name in specs:
        text = specs[name].read_text(encoding="utf-8")
        print_json({"name": name, "spec": text}) if as_json else typer.echo(text.rstrip())
        return
    if Path(name).is_dir() or is_elsewhere(name):
        _describe_store(name, as_json)
        return
    if name not in list_metrics():
        raise UnknownNameError("metric or spec", name, [*list_metrics(), *specs])
    metric = get_metric(name)
    if as_json:
        print_json(metric.card())
    else:
        typer.echo(_metric_text(metric.card()))


@app.command()
def validate(
    path: Annotated[
        str, typer.Argument(help="A store (folder, zip or URL), the folder of a run's results, or a spec (.yaml).")
    ],
    values: Annotated[bool, typer.Option("--values", help="Read the data too, and check its values.")] = False,
    checksums: Annotated[
        bool, typer.Option("--checksums", help="Read every byte, and compare with the manifest.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check a store or a spec; print every problem found, and exit with 2 if there is any."""
    is_spec = Path(path).suffix in {".yaml", ".yml"}
    problems = _spec_problems(Path(path)) if is_spec else _store_problems(path, values, checksums)
    if as_json:
        print_json({"path": path, "valid": not problems, "problems": problems})
    elif problems:
        for problem in problems:
            typer.echo(f"{problem['where']}: {problem['message']}", err=True)
    else:
        typer.echo(f"{path}: valid")
    if problems:
        raise typer.Exit(2)


@app.command("import", no_args_is_help=True)
def import_(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="[FORMAT] SOURCE...",
            help="Files or folders, s3://, https://, or hf://owner/repository@revision/path; each may hold many SAEs.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Store to make.")],
    encoder: Annotated[bool, typer.Option("--encoder", help="Take encoder, biases and thresholds too.")] = False,
    model: Said = None,
    site: Said = None,
    layer: Said = None,
    l0: Said = None,
    architecture: Said = None,
    key: Annotated[str | None, typer.Option(help="Name of the decoder in a file of plain arrays.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the SAE in the store, if there is only one.")] = None,
    title: Annotated[str | None, typer.Option(help="Title of the store.")] = None,
    license: Annotated[str | None, typer.Option(help="Licence of the SAEs; unknown if nobody states one.")] = None,
    as_json: Json = False,
) -> None:
    """Make a store of SAEs that somebody else trained; their format is recognised if it is not named."""
    from saegeom_data.checkpoints import FORMATS, import_checkpoints

    format, sources = (arguments[0], arguments[1:]) if arguments[0] in FORMATS else (None, arguments)
    if not sources:
        raise ParameterError(f"import {format}: no SOURCE given; expected saegeom import [FORMAT] SOURCE -o STORE")
    first = sources[0]
    if format is None and len(sources) > 1 and "://" not in first and not Path(first).exists():
        raise UnknownNameError("format or source", first, FORMATS)
    options = {"model": model, "site": site, "layer": layer, "l0": l0, "architecture": architecture}
    import_checkpoints(
        sources,
        output,
        format=format,
        encoder=encoder,
        key=key,
        name=name,
        title=title,
        license=license,
        progress=show_progress,
        **{option: _by_pattern(values) for option, values in options.items()},
    )
    _report_store(output, as_json)


@app.command()
def build(
    spec: Annotated[
        str, typer.Argument(help="A dataset spec: a path, or the name of one that comes with the package.")
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Store to make.")] = None,
    root: Annotated[
        list[str] | None, typer.Option("--root", help="NAME=FOLDER_OR_URL for each {NAME} in the spec's file paths.")
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="Folder for intermediate results; resumes from what it holds.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where torch computes, such as cuda.")] = "cpu",
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be read and taken; read nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Build a dataset from a spec: text, SAEs and codes, word pairs, or both. A stopped build resumes where it was."""
    from saegeom_data import harvest
    from saegeom_data.spec.models import find_spec, load_spec

    path = find_spec(spec, "datasets")
    recipe = load_spec(path, harvest.Recipe)
    roots = dict(_name_and_folder(one) for one in root or [])
    if plan:
        from saegeom_data.harvest.plan import plan_build
        from saegeom_data.harvest.text.roots import Roots

        planned = plan_build(
            recipe, spec, None if output is None else str(output), Roots(path.parent, roots), device=device
        )
        print_json(planned.as_dict()) if as_json else typer.echo("\n".join(planned.lines()))
        return
    if output is None:
        raise ParameterError("build: no store given; expected saegeom build SPEC -o STORE, or --plan")
    harvest.build(
        recipe, output, roots=roots, work=work, spec_folder=path.parent, device=device, progress=show_progress
    )
    _report_store(output, as_json)


@app.command()
def run(
    spec: Annotated[str, typer.Argument(help="A run spec: a path, or the name of one.")] = "geometry-of-concepts",
    data: Annotated[
        str | None, typer.Option("--data", help="Store to measure, a path or URL; the bundled sample if not given.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to make; saegeom-results/<spec> if not given.")
    ] = None,
    scheduler: Scheduler = "threads",
    memory_limit: MemoryLimit = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say what the run would take, and run nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Compute the metrics of a run, and leave results.zarr and report.html in a new folder."""
    import time

    from saegeom_data.engine import runner
    from saegeom_data.engine.sizes import parse_size
    from saegeom_data.report.findings import findings
    from saegeom_data.results.summary import as_records, summary_table
    from saegeom_data.sample import sample_path
    from saegeom_data.spec.models import RunSpec, find_spec, load_spec

    path = find_spec(spec, "runs")
    run_spec = load_spec(path, RunSpec)
    output = output or Path("saegeom-results") / path.stem
    limit = None if memory_limit is None else parse_size(memory_limit)
    if plan:
        _report_plan(runner.plan_run(run_spec, data or sample_path(), memory_limit=limit), as_json)
        return
    started = time.perf_counter()
    with task_progress("computing") as progress:
        results = runner.run(
            run_spec, data or sample_path(), output, scheduler=scheduler, memory_limit=limit, progress=progress
        )
    seconds = time.perf_counter() - started
    table = summary_table(results)
    if as_json:
        print_json({"output": str(output), "seconds": seconds, "summary": as_records(table)})
        return
    print_table(table)
    for finding in findings(results):
        typer.echo(f"* {finding}")
    for sentence in results.attrs["unmatched"]:
        typer.echo(f"caution: {sentence}")
    count = len(run_spec.metrics)
    typer.echo(f"\n{count} {'metric' if count == 1 else 'metrics'} in {seconds:.1f} s")
    typer.echo(f"results: {output / open.RESULTS}")
    typer.echo(f"report:  {output / 'report.html'}")


@app.command()
def report(
    results: Annotated[str, typer.Argument(help="Folder of a run's results, or the store in it, or its URL.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; report.html beside the store.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the summary table as Markdown instead.")] = False,
    as_json: Json = False,
) -> None:
    """Write the report of a run: one HTML file that needs no network."""
    from saegeom_data.data.staging import refuse_existing
    from saegeom_data.report.page import write_report
    from saegeom_data.results.summary import as_markdown, as_records, summary_table

    tree = open.open_results(results)
    if markdown or as_json:
        table = summary_table(tree)
        print_json(as_records(table)) if as_json else typer.echo(as_markdown(table).rstrip())
        return
    if output is not None:
        refuse_existing(output)
    if output is None and is_elsewhere(results):
        raise ParameterError(f"{results}: no folder to write report.html into; give one with --output")
    folder = Path(results) if (Path(results) / open.RESULTS).exists() else Path(results).parent
    target = output or folder / "report.html"
    write_report(tree, target)
    typer.echo(str(target))


@app.command()
def trend(
    results: Annotated[str, typer.Argument(help="Folder of a run's results, or the store in it, or its URL.")],
    group: Annotated[str, typer.Option(help="Group of the results.")] = "eigenvalue_slope",
    value: Annotated[str, typer.Option(help="Output to follow over depth; a number for each SAE.")] = "slope",
    where: Annotated[
        list[str] | None, typer.Option("--where", help="DIM=LABEL for each other dimension of the output.")
    ] = None,
    highest: Annotated[bool, typer.Option("--highest", help="Look for the highest layer, not the lowest.")] = False,
    as_json: Json = False,
) -> None:
    """Follow a number over depth, as measured and adjusted for SAEs that differ in L0 or width."""
    from saegeom_data.results.depth_trend import depth_trend

    tree = open.open_results(results)
    if group not in tree.children:
        raise UnknownNameError("group of results", group, tree.children)
    dataset = tree[group].to_dataset()
    for dim, label in (
        _name_and_value(one, "--where", "DIM=LABEL, such as null=spectrum_matched") for one in where or []
    ):
        if dim not in dataset.indexes:
            raise UnknownNameError("dimension", dim, dataset.indexes)
        labels = {str(one): one for one in dataset.indexes[dim]}
        if label not in labels:
            raise UnknownNameError(f"label of {dim}", label, labels)
        dataset = dataset.sel({dim: labels[label]})
    found = depth_trend(dataset, value, extreme="highest" if highest else "lowest")
    if as_json:
        print_json(without_nan(found.to_dict()))
        return
    typer.echo(f"{'SAE':<24} {'layer':>6} {'L0':>8} {'measured':>10} {'adjusted':>10}")
    for sae in found.sae.values:
        one = found.sel(sae=sae)
        raw, adjusted = (float(one.value.sel(adjustment=which)) for which in ("raw", "adjusted"))
        typer.echo(f"{sae!s:<24} {float(one.layer):>6g} {float(one.l0):>8g} {raw:>10.4g} {adjusted:>10.4g}")
    for covariate in found.covariate.values:
        one = found.sel(covariate=covariate)
        low, high = float(one.partial_correlation_low), float(one.partial_correlation_high)
        typer.echo(
            f"partial correlation with ln {covariate} given depth: {float(one.partial_correlation):.2f} "
            f"[{low:.2f}, {high:.2f}]"
        )
    for which in found.adjustment.values:
        one = found.sel(adjustment=which)
        typer.echo(f"{'highest' if highest else 'lowest'} at layer {float(one.extreme_layer):g}, {which}")


for command in share.COMMANDS:
    app.command(no_args_is_help=True)(command)


def main() -> None:
    """Run the command line: errors are one line each on standard error, with exit status 2."""
    try:
        app(standalone_mode=True)
    except SaegeomError as error:
        _fail(error)


def _fail(error: Exception) -> NoReturn:
    if "--traceback" in sys.argv:
        raise error
    for line in str(error).splitlines():
        typer.echo(f"error: {line}", err=True)
    sys.exit(2)


def _metric_summaries() -> dict[str, str]:
    from saegeom_data.declare.registry import get_metric, list_metrics

    return {name: get_metric(name).summary for name in list_metrics()}


def _title(path: Path) -> str:
    import yaml

    return str(yaml.safe_load(path.read_text(encoding="utf-8")).get("title", ""))


def _metric_text(card: dict[str, Any]) -> str:
    lines = [
        f"{card['name']} (version {card['version']}, {card['scale']} scale, for each {card['over']})",
        card["summary"],
    ]
    lines += ["", "inputs:"]
    lines += [f"  {one['name']} ({', '.join(one['dims'])}): {one['description']}" for one in card["inputs"]]
    lines += [f"  {one['name']} ({', '.join(one['dims'])}), optional: {one['description']}" for one in card["optional"]]
    lines += ["", "parameters:"]
    lines += [f"  {name}: {one['type']} = {one['default']}" for name, one in card["parameters"].items()]
    lines += ["", "outputs:"]
    lines += [
        f"  {one['name']} ({', '.join([card['over'], *one['dims']])}) [{one['units']}]: {one['description']}"
        for one in card["outputs"]
    ]
    return "\n".join([*lines, "", f"reference: {card['reference']}", "", card["documentation"]])


def _spec_problems(path: Path) -> list[dict[str, str]]:
    from saegeom_data.cli.validate import check_spec_file
    from saegeom_data.errors import SpecError

    try:
        check_spec_file(path)
    except SpecError as error:
        return [{"where": one.where, "message": one.message} for one in error.problems]
    return []


def _store_problems(path: str, values: bool, checksums: bool) -> list[dict[str, str]]:
    from saegeom_data.data import schema, store
    from saegeom_data.data.value_checks import value_problems
    from saegeom_data.declare.registry import result_problems

    path = open.results_in(path)
    with store.open_unchecked(path) as tree:
        with task_progress("reading", unit="bytes") as progress:
            problems = manifest_of.manifest_problems(path, checksums=checksums, progress=progress)
        problems += schema.validate(tree)
        if tree.attrs.get("kind") == "results" and not problems:
            problems += result_problems(tree)
        if values and not problems:
            problems += value_problems(tree)
    return [{"where": one.where, "message": one.message} for one in problems]


def _describe_store(path: str, as_json: bool) -> None:
    from saegeom_data.data import store
    from saegeom_data.data.card import dataset_card

    with store.open(path) as tree:
        attrs = {str(name): value for name, value in tree.attrs.items()}
        print_json({"path": path, "attrs": attrs}) if as_json else typer.echo(dataset_card(tree).rstrip())


def _report_store(path: Path, as_json: bool) -> None:
    from saegeom_data.data import schema, store
    from saegeom_data.engine.sizes import size_text

    with store.open(path) as tree:
        saes, sites = schema.sae_names(tree), schema.relation_sites(tree)
        pairs = tree.children["relations"].sizes["pairs"] if sites else 0
    size = sum(file["size"] for file in manifest_of.read_manifest(path)["files"].values())
    if as_json:
        found = {"saes": saes, "pairs": pairs, "sites": sites}
        print_json({"store": str(path), "root": manifest_of.root_hash(path), "bytes": size} | found)
    else:
        holds = [f"{len(saes)} SAEs"] * bool(saes) + [f"{pairs:,} word pairs at {len(sites)} sites"] * bool(sites)
        typer.echo(f"{path}: {', '.join(holds)}, {size_text(size)}, root {manifest_of.root_hash(path)}")


def _name_and_value(text: str, option: str, expected: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ParameterError(f"{option}: got {text!r}, expected {expected}")
    return name, value


def _by_pattern(values: list[str] | None) -> dict[str, str] | None:
    pairs = [one.partition("=") if "=" in one else ("*", "=", one) for one in values or []]
    return {pattern: value for pattern, _, value in pairs} or None


def _name_and_folder(text: str) -> tuple[str, str]:
    from saegeom_data.harvest.text.roots import is_url

    name, folder = _name_and_value(text, "--root", "NAME=FOLDER, such as corpora=/data/corpora")
    if not is_url(folder) and not Path(folder).is_dir():
        raise ParameterError(f"--root {name}: no folder {folder!r}; check the path")
    return name, folder


def _report_plan(plan: Plan, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        print_json(asdict(plan))
        return
    for line in plan.lines():
        typer.echo(line)
