"""The command that writes the nearest features of each for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saegeom_data.cli.terminal import Json, print_json, say


def export(
    path: Annotated[str, typer.Argument(metavar="STORE", help="A store: folder, zip or URL.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to make.")],
    format: Annotated[str, typer.Option(help="delphi or neuronpedia.")] = "delphi",
    k: Annotated[int | None, typer.Option(help="Others of each feature; as many as the tool lists.")] = None,
    sae: Annotated[list[str] | None, typer.Option(help="SAE to export; all if not given. May be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Write neighbours for other tools.

    The nearest features of each, as delphi and Neuronpedia read them.
    """
    from saegeom_data.share.neighbours import export_neighbours

    files = export_neighbours(path, output, format=format, k=k, saes=sae or ())
    if as_json:
        print_json({"path": str(output), "files": files})
        return
    for file in files:
        say(f"{output}/{file}")
