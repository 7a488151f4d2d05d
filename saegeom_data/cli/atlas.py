"""The command that writes the atlas: features on a map, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saegeom_data.cli.terminal import Json, print_json, say, show_progress
from saegeom_data.errors import StoreError


def atlas(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="RESULTS|STORE...",
            help="Folders of results, of several runs on the same data too, or a store of SAEs; paths or URLs.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path("atlas.html"),
    data: Annotated[
        str | None,
        typer.Option("--data", help="Store that the results were measured on; the bundled sample is known without."),
    ] = None,
    sae: Annotated[
        list[str] | None, typer.Option("--sae", help="Name of an SAE to show; all if not given. May be repeated.")
    ] = None,
    neighbours: Annotated[
        int | None,
        typer.Option(
            min=0, max=32, help="Neighbours listed for each feature; 8, or fewer for wide SAEs, if not given."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    as_json: Json = False,
) -> None:
    """Write a map of features to search.

    The atlas is one HTML file that needs no network.

    Lobes, communities and crystals are of results; neighbours, firing, labels, tokens and contexts are of a store. What
    is not there is said on the page.
    """
    from saegeom_data.atlas.build import gathered
    from saegeom_data.atlas.page import write_atlas
    from saegeom_data.atlas.sources import opened_sources
    from saegeom_data.data.staging import refuse_existing, refuse_inside_store
    from saegeom_data.engine.sizes import size_text

    # Before anything is computed, which may take minutes.
    refuse_inside_store(output) if overwrite else refuse_existing(output)
    if not output.absolute().parent.is_dir():
        raise StoreError(f"{output}: there is no folder {output.parent}; make it, or give another path")
    opened = opened_sources(sources, data)
    saes = gathered(opened, saes=sae or [], n_neighbours=neighbours, progress=show_progress)
    size = write_atlas(saes, opened.attrs, output)
    print_json({"file": str(output), "bytes": size}) if as_json else say(f"{output}: {size_text(size)}")
