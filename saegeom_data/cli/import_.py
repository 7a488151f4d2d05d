"""The command that makes a store of SAEs that somebody else trained."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from saegeom_data.cli.terminal import Json, Scheduler, print_store, say, show_progress
from saegeom_data.errors import ParameterError, StoreError, UnknownNameError, first_names

_BY_PATTERN = "PATTERN=VALUE for the files whose names match. May be repeated."
# How many names of SAEs of one size are listed.
_MOST = 3


def import_(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="[FORMAT] SOURCE...",
            help="Files or folders, s3://, https://, hf://owner/repository@revision/path, or RELEASE/ID of SAELens;"
            " each may hold many SAEs.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Store to make.")],
    encoder: Annotated[
        bool, typer.Option("--encoder", help="Import encoder, biases and thresholds too, not only the decoder.")
    ] = False,
    model: Annotated[
        list[str] | None,
        typer.Option(help=f"Model that the SAEs were trained on, if the checkpoint does not name it. {_BY_PATTERN}"),
    ] = None,
    site: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Where the SAEs read in the model: blocks.6.hook_resid_post, layers.6.mlp.input. {_BY_PATTERN}"
        ),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(help=f"Layer of the model, counted from 0, if the checkpoint does not state it. {_BY_PATTERN}"),
    ] = None,
    l0: Annotated[
        list[str] | None,
        typer.Option(help=f"Mean number of active features, if the checkpoint does not state it. {_BY_PATTERN}"),
    ] = None,
    architecture: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Architecture of the SAEs, such as topk, if the checkpoint does not state it. {_BY_PATTERN}"
        ),
    ] = None,
    key: Annotated[str | None, typer.Option(help="Name of the decoder in a file of plain arrays.")] = None,
    orientation: Annotated[
        list[str] | None,
        typer.Option(
            help="How the decoder lies in a file of plain arrays, if nothing beside it tells: features,hidden or"
            f" hidden,features. {_BY_PATTERN}"
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the SAE in the store, if there is only one.")] = None,
    title: Annotated[str | None, typer.Option(help="Title of the store.")] = None,
    license: Annotated[str | None, typer.Option(help="Licence of the SAEs; unknown if nobody states one.")] = None,
    scheduler: Scheduler = "threads",
    as_json: Json = False,
) -> None:
    """Make a store of SAEs trained elsewhere. Their format is recognised if it is not named."""
    from saegeom_data.checkpoints import FORMATS, import_checkpoints
    from saegeom_data.engine.scheduler import opened

    # The format may be left out, so that whether the first word is one is known only here.
    # A folder alone may have the name of a format.
    is_format = arguments[0] in FORMATS and (len(arguments) > 1 or not Path(arguments[0]).exists())
    format, sources = (arguments[0], arguments[1:]) if is_format else (None, arguments)
    if not sources:
        raise ParameterError(f"import {format}: no SOURCE given; expected saegeom import [FORMAT] SOURCE -o STORE")
    first = sources[0]
    # Most likely a format that is misspelt: to say that there is no such file would not help.
    is_named = "://" in first or Path(first).exists() or _is_of_registry(first)
    if format is None and len(sources) > 1 and not is_named:
        raise UnknownNameError("format or source", first, FORMATS)
    options = {"model": model, "site": site, "layer": layer, "l0": l0, "architecture": architecture}
    options |= {"orientation": orientation}
    with opened(scheduler) as place:
        for source in filter(os.path.exists, sources):
            place.see(os.path.abspath(source), "give --scheduler threads, or put it where every worker sees it")
        # The own threads of dask, without the numerical libraries that a run loads to keep them to one thread each.
        with nullcontext() if scheduler == "threads" else place.running():
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
                begun=lambda folder: place.see(str(folder.absolute()), "give --output where every worker sees it"),
                **{option: _by_pattern(values) for option, values in options.items()},
            )
    print_store(output, as_json)
    if not as_json:
        _print_sizes(output)


def _print_sizes(path: Path) -> None:
    """Print what was read: the size of each SAE, those of one size on one line."""
    from saegeom_data.data import schema, store

    with store.open(path) as tree:
        names: dict[tuple[int, int, int], list[str]] = {}
        for name in schema.sae_names(tree):
            sizes = tree[f"saes/{name}/features"].sizes
            size = sizes["features"], sizes.get(schema.SITES, 0), sizes["hidden"]
            names.setdefault(size, []).append(name)
    for (features, sites, hidden), alike in names.items():
        at = f" at {sites} sites" if sites else ""
        say(f"{first_names(alike, _MOST)}: {features:,} features x {hidden:,} hidden{at}")


def _is_of_registry(name: str) -> bool:
    """Whether SAELens's registry has a release of that name."""
    from saegeom_data.checkpoints.registry import addresses

    try:
        return any(entry for _, entry in addresses(name))
    except StoreError:
        return False


def _by_pattern(values: list[str] | None) -> dict[str, str] | None:
    """Values by the pattern of file names that they are for; one without a pattern is for all files."""
    # Names of files may hold the sign, as those of partitioned folders do; values do not.
    pairs = [value.rpartition("=") if "=" in value else ("*", "=", value) for value in values or []]
    return {pattern: value for pattern, _, value in pairs} or None
