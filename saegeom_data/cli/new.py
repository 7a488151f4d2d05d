"""The commands that write something to begin with: a package with a metric, and specs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saegeom_data.cli.terminal import Json, print_json, say, write_text

app = typer.Typer(help="Write a metric or a spec to begin with.", no_args_is_help=True, rich_markup_mode=None)


@app.command(no_args_is_help=True)
def metric(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the metric: a noun in small letters, such as norm_spread.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to make; saegeom-NAME if not given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a small package with a metric. It passes its own tests at once, and is yours to change."""
    from saegeom_data.templates import new_package

    made = new_package(name, output)
    if as_json:
        files = sorted(str(file.relative_to(made)) for file in made.rglob("*") if file.is_file())
        print_json({"folder": str(made), "files": files})
        return
    say(f"{made}: a package with the metric {name}, its figure and its tests; begin with:")
    say(f"  pip install -e '{made}[test]' && pytest {made}")


@app.command(no_args_is_help=True)
def spec(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="run, dataset, benchmark or catalogue.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; KIND.yaml if not given.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Metric of a run, written with its parameters at their defaults. May be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a commented spec. It is valid at once, and says what else may be chosen."""
    from saegeom_data.data.staging import refuse_existing
    from saegeom_data.templates import new_spec

    text = new_spec(kind, metric or ())
    path = output or Path(f"{kind}.yaml")
    refuse_existing(path)
    write_text(path, text, as_json)
