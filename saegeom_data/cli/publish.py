"""Commands that make something for others: publish a store, write a benchmark or a catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saegeom_data.cli.terminal import Json, print_json, say, task_progress, write_text
from saegeom_data.errors import ParameterError
from saegeom_data.results import open


def publish(
    path: Annotated[str, typer.Argument(metavar="STORE", help="A store, or the folder of a run's results.")],
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL", help="A folder, a file ending in .zip, s3://bucket/prefix or hf://datasets/owner/name@tag."
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would go where, and send nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Publish a store with its card and tables. What is published already is never changed."""
    from saegeom_data.engine.sizes import size_text
    from saegeom_data.share import publish

    with task_progress("publishing", unit="bytes") as progress:
        done = publish.publish(open.results_in(path), url, dry_run=dry_run, progress=progress)
    if as_json:
        print_json({"address": done.address, "root": done.root, "store_root": done.store_root, "sent": done.sent})
        return
    if dry_run:
        for name in done.sent:
            say(f"{done.files[name]:>12,}  {done.address.rstrip('/')}/{name}")
    size = size_text(sum(done.files[name] for name in done.sent))
    would = "would be sent" if dry_run else "sent"
    said = f"{len(done.sent)} files, {size}, {would}" if done.sent else "published already, nothing to send"
    say(f"{done.address}: {said}, root {done.root}")


def benchmark(
    results: Annotated[
        str, typer.Argument(metavar="RESULTS", help="Folder of a run's results, the store in it, or its URL.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")],
    value: Annotated[
        list[str] | None,
        typer.Option(
            "--value", help="GROUP/OUTPUT to expect; all single numbers of each SAE if not given. May be repeated."
        ),
    ] = None,
    tolerance: Annotated[float, typer.Option(min=0, help="Largest relative difference that passes.")] = 1e-6,
    url: Annotated[str, typer.Option(help="URL at which the dataset is published.")] = "",
    title: Annotated[str, typer.Option(help="Title of the benchmark; that of the run if not given.")] = "",
    as_json: Json = False,
) -> None:
    """Write a benchmark from results. What was found becomes what others should find."""
    from saegeom_data.data.staging import refuse_existing
    from saegeom_data.share.benchmark.writing import write_benchmark

    # Before the results are read, which may take minutes.
    refuse_existing(output)
    with open.open_results(results) as tree:
        write_text(
            output, write_benchmark(tree, values=value or (), tolerance=tolerance, url=url, title=title), as_json
        )


def catalogue(
    stores: Annotated[list[str], typer.Argument(metavar="STORE...", help="Published datasets: URLs or paths.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")],
    url: Annotated[
        str, typer.Option(help="URL at which the dataset is published, if STORE is one dataset and a copy of it.")
    ] = "",
    title: Annotated[str, typer.Option(help="Title of the catalogue.")] = "",
    as_json: Json = False,
) -> None:
    """Write a catalogue of datasets. It says what each holds, its size, licence and root hash."""
    from saegeom_data.data.staging import refuse_existing
    from saegeom_data.share.catalogue import catalogue_entry, write_catalogue

    if url and len(stores) > 1:
        raise ParameterError(f"--url: given for {len(stores)} datasets, expected one")
    refuse_existing(output)
    write_text(output, write_catalogue([catalogue_entry(store, url=url) for store in stores], title=title), as_json)
