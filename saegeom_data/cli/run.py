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
    refusal,
    say,
    task_progress,
)

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.engine.planner import Plan


def run(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="SPEC",
            help="A run spec, by path or by name where it comes with the package; or a metric's name.",
        ),
    ] = "geometry-of-concepts",
    data: Annotated[
        str | None, typer.Option("--data", help="Store to measure, a path or URL; the bundled sample if not given.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder to make; saegeom-results/<spec>-<dataset> if not given."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="NAME=VALUE for a parameter of the metric, or RESULT.NAME=VALUE where a spec has several; lists as"
            " 2,3. May be repeated.",
        ),
    ] = None,
    firing: Annotated[
        bool,
        typer.Option("--firing", help="Measure decoder rows only of features that fire on the text of the store."),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a run that the data can serve only in part.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace a finished run in the output folder once the new one is whole."),
    ] = False,
    scheduler: Scheduler = "threads",
    memory_limit: MemoryLimit = None,
    plan: PlanOnly = False,
    as_json: Json = False,
) -> None:
    """Compute the metrics of a run. Write results.zarr and report.html into a new folder."""
    import time
    from dataclasses import asdict

    from saegeom_data.engine import runner
    from saegeom_data.engine.asked import asked_run
    from saegeom_data.engine.sizes import parse_size
    from saegeom_data.remote.address import name_of
    from saegeom_data.results.claims import claim_records, claims_of
    from saegeom_data.results.groups import read_groups
    from saegeom_data.results.summary import as_records, table_of
    from saegeom_data.results.undefined import undefined
    from saegeom_data.sample import sample_path

    run_spec = asked_run(spec, settings or [], firing=firing)
    source = data or str(sample_path())
    output = output or Path("saegeom-results") / f"{Path(spec).stem}-{name_of(source)}"
    limit = None if memory_limit is None else parse_size(memory_limit)
    if plan:
        planned = runner.plan(run_spec, source, scheduler=scheduler, memory_limit=limit, strict=strict)
        # A plan may be made for a run that exists.
        _print_plan(planned, output, refusal(runner.check_output, output, overwrite), as_json)
        return
    started = time.perf_counter()
    # How many draws decide is known only once they do.
    or_more = " or more" if run_spec.draws == "until_decided" else ""
    with task_progress("computing", after_left=or_more) as progress:
        results = runner.run(
            run_spec,
            source,
            output,
            scheduler=scheduler,
            memory_limit=limit,
            progress=progress,
            left=progress.left,
            notify=lambda line: say(f"draws: {line}", err=True),
            strict=strict,
            overwrite=overwrite,
        )
    seconds = time.perf_counter() - started
    if as_json:
        groups = read_groups(results)
        print_json(
            {
                "output": str(output),
                "seconds": seconds,
                "summary": as_records(table_of(groups)),
                "claims": claim_records(claims_of(groups)),
                "undefined": [asdict(found) for found in undefined(groups)],
                "left_out": list(results.attrs.get("left_out", [])),
            }
        )
    else:
        _print_results(results, output, seconds)


def _print_results(results: xr.DataTree, output: Path, seconds: float) -> None:
    from saegeom_data.report.findings import findings
    from saegeom_data.results.answers import lines
    from saegeom_data.results.claims import claims_of, statement
    from saegeom_data.results.groups import firing_sentence, read_groups
    from saegeom_data.results.open import REPORT, RESULTS
    from saegeom_data.results.summary import table_of
    from saegeom_data.results.undefined import undefined
    from saegeom_data.results.wording import plural

    groups = read_groups(results)
    print_table(table_of(groups))
    # The evidence behind them stands in the report.
    for line in lines(findings(results)):
        say(line)
    if tested := statement(claims_of(groups)):
        say(tested)
    if restricted := firing_sentence(groups):
        say(restricted)
    for found in undefined(groups):
        say(f"undefined: {found}")
    for sentence in results.attrs["unmatched"]:
        say(f"caution: {sentence}")
    for sentence in results.attrs.get("left_out", []):
        say(f"left out: {sentence}")
    say(f"\n{plural(len(results.children), 'metric')} in {seconds:.1f} s")
    say(f"results: {output / RESULTS}")
    say(f"report:  {output / REPORT}")


def _print_plan(plan: Plan, output: Path, problem: str, as_json: bool) -> None:
    from dataclasses import asdict

    from saegeom_data.engine.sizes import plan_line

    if as_json:
        print_json(asdict(plan) | {"output": str(output), "output_problem": problem or None})
        return
    for line in plan.lines():
        say(line)
    say(plan_line("output", problem or str(output)))
