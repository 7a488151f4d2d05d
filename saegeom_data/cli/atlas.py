"""The command that writes the atlas: features on a map, in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saegeom_data.cli.terminal import Json, print_json, say, show_progress
from saegeom_data.errors import ParameterError, StoreError

if TYPE_CHECKING:
    from saegeom_data.atlas.build import Source


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
    from saegeom_data.data.staging import refuse_existing, refuse_inside_store
    from saegeom_data.engine.sizes import size_text

    # Before anything is computed, which may take minutes.
    refuse_inside_store(output) if overwrite else refuse_existing(output)
    if not output.absolute().parent.is_dir():
        raise StoreError(f"{output}: there is no folder {output.parent}; make it, or give another path")
    opened = _opened(sources, data)
    saes = gathered(opened, saes=sae or [], n_neighbours=neighbours, progress=show_progress)
    size = write_atlas(saes, opened.attrs, output)
    print_json({"file": str(output), "bytes": size}) if as_json else say(f"{output}: {size_text(size)}")


def _opened(sources: Sequence[str], data: str | None) -> Source:
    """What an atlas is made of: the store that is among the sources, or given, or known, and all results."""
    from saegeom_data.atlas.build import Source
    from saegeom_data.data import store
    from saegeom_data.data.manifest_of import root_hash
    from saegeom_data.results.open import results_in
    from saegeom_data.results.wording import listing
    from saegeom_data.sample import sample_path

    opened = {source: store.open(results_in(source)) for source in sources}
    results = {source: tree for source, tree in opened.items() if tree.attrs.get("kind") == "results"}
    stores = [source for source in sources if source not in results]
    if len(stores) + (data is not None) > 1:
        raise ParameterError(f"{listing([*stores, *([data] if data else [])])}: several stores, expected one")
    roots = {source: str(tree.attrs.get("dataset_root", "")) for source, tree in results.items()}
    if data is None and not stores and set(roots.values()) == {root_hash(sample_path())}:
        data = str(sample_path())
    held = opened[stores[0]] if stores else store.open(data) if data is not None else None
    expected = next(iter(roots.values())) if held is None else str(held.encoding.get("root", ""))
    # A store that was given labels later has another root, and says which it had.
    from saegeom_data.labels.extend import earlier_roots

    known = {expected, *([] if held is None else earlier_roots(held.attrs))}
    for source, root in roots.items():
        if root and expected and root not in known:
            raise ParameterError(
                f"{source}: was measured on a store of root {root[:12]}, expected {expected[:12]} as of "
                f"{stores[0] if stores else data or next(iter(roots))}; give results and the store of the same data"
            )
    return Source(held, tuple(results.values()))
