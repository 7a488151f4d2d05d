"""The command that computes the metrics of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saegeom_data.cli.terminal import (
    Json,
    MemoryLimit,
    PlanOnly,
    Scheduler,
    print_json,
    print_table,
    task_progress,
)

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.engine.planner import Plan


def run(
    spec: Annotated[
        str,
        typer.Argument(metavar="SPEC", help="A run spec: a path, or the name of one that comes with the package."),
    ] = "geometry-of-concepts",
    data: Annotated[
        str | None, typer.Option("--data", help="Store to measure, a path or URL; the bundled sample if not given.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to make; saegeom-results/<spec> if not given.")
    ] = None,
    scheduler: Scheduler = "threads",
    memory_limit: MemoryLimit = None,
    plan: PlanOnly = False,
    as_json: Json = False,
) -> None:
    """Compute the metrics of a run. Write results.zarr and report.html into a new folder."""
    import time

    from saegeom_data.engine import runner
    from saegeom_data.engine.sizes import parse_size
    from saegeom_data.results.claims import claim_records, claims
    from saegeom_data.results.summary import as_records, summary_table
    from saegeom_data.sample import sample_path
    from saegeom_data.spec.models import RunSpec, find_spec, load_spec

    path = find_spec(spec, "runs")
    run_spec = load_spec(path, RunSpec)
    output = output or Path("saegeom-results") / path.stem
    limit = None if memory_limit is None else parse_size(memory_limit)
    # Before the output folder is looked at: a plan may be made for a run that exists.
    if plan:
        _print_plan(runner.plan_run(run_spec, data or sample_path(), memory_limit=limit), as_json)
        return
    started = time.perf_counter()
    with task_progress("computing") as progress:
        results = runner.run(
            run_spec,
            data or sample_path(),
            output,
            scheduler=scheduler,
            memory_limit=limit,
            progress=progress,
            notify=lambda line: typer.echo(f"draws: {line}", err=True),
        )
    seconds = time.perf_counter() - started
    if as_json:
        summary, tested = as_records(summary_table(results)), claim_records(claims(results))
        print_json({"output": str(output), "seconds": seconds, "summary": summary, "claims": tested})
    else:
        _print_results(results, output, len(run_spec.metrics), seconds)


def _print_results(results: xr.DataTree, output: Path, n_metrics: int, seconds: float) -> None:
    from saegeom_data.report.findings import findings
    from saegeom_data.results.claims import claims, statement
    from saegeom_data.results.open import RESULTS
    from saegeom_data.results.summary import summary_table

    print_table(summary_table(results))
    for finding in findings(results):
        # The evidence behind it stands in the report.
        typer.echo(f"* {finding.headline}")
    if tested := statement(claims(results)):
        typer.echo(tested)
    for sentence in results.attrs["unmatched"]:
        typer.echo(f"caution: {sentence}")
    typer.echo(f"\n{n_metrics} {'metric' if n_metrics == 1 else 'metrics'} in {seconds:.1f} s")
    typer.echo(f"results: {output / RESULTS}")
    typer.echo(f"report:  {output / 'report.html'}")


def _print_plan(plan: Plan, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        print_json(asdict(plan))
        return
    for line in plan.lines():
        typer.echo(line)
