"""The command that builds a dataset from a spec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saegeom_data.cli.terminal import Json, PlanOnly, print_json, print_store, refusal, say, show_progress
from saegeom_data.errors import ParameterError
from saegeom_data.spec.name_and_value import name_and_value

if TYPE_CHECKING:
    from saegeom_data.harvest import Recipe


def build(
    spec: Annotated[
        str,
        typer.Argument(metavar="SPEC", help="A dataset spec: a path, or the name of one that comes with the package."),
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Store to make.")] = None,
    root: Annotated[
        list[str] | None,
        typer.Option("--root", help="NAME=FOLDER_OR_URL for each {NAME} in the spec's file paths. May be repeated."),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(
            help="Folder for intermediate results, from which a stopped build resumes; it stays. By default STORE.work,"
            " which goes when the store is finished."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="Device on which torch computes, such as cuda.")] = "cpu",
    scheduler: Annotated[
        str,
        typer.Option(
            help="Where SAEs are trained and encode: synchronous, which is this machine, or tcp://HOST:PORT or the"
            " .json file of a running dask scheduler."
        ),
    ] = "synchronous",
    plan: PlanOnly = False,
    as_json: Json = False,
) -> None:
    """Build a dataset from a spec. It holds text, SAEs and codes, word pairs, or both; a stopped build resumes."""
    from saegeom_data import harvest
    from saegeom_data.spec.models import find_spec, load_spec

    path = find_spec(spec, "datasets")
    # Checked in full before anything is fetched or trained, which may take hours.
    recipe = load_spec(path, harvest.Recipe)
    roots = dict(_name_and_folder(text) for text in root or [])
    if plan:
        _print_plan(recipe, spec, output, path.parent, roots, device, as_json)
        return
    if output is None:
        raise ParameterError("--output: not given; expected saegeom build SPEC -o STORE, or --plan")
    harvest.build(
        recipe,
        output,
        roots=roots,
        work=work,
        spec_folder=path.parent,
        device=device,
        scheduler=scheduler,
        progress=show_progress,
    )
    print_store(output, as_json)


def _print_plan(
    recipe: Recipe, spec: str, output: Path | None, folder: Path, roots: dict[str, str], device: str, as_json: bool
) -> None:
    from saegeom_data.data.staging import refuse_existing
    from saegeom_data.engine.sizes import plan_line
    from saegeom_data.harvest.plan import plan_build
    from saegeom_data.harvest.text.roots import Roots

    planned = plan_build(recipe, spec, None if output is None else str(output), Roots(folder, roots), device=device)
    # A plan may be made for a store that exists.
    problem = "" if output is None else refusal(refuse_existing, output)
    if as_json:
        print_json(planned.as_dict() | {"output_problem": problem or None})
        return
    say("\n".join([*planned.lines(), *([plan_line("output", problem)] if problem else [])]))


def _name_and_folder(text: str) -> tuple[str, str]:
    from saegeom_data.harvest.text.roots import is_url

    name, folder = name_and_value(text, "--root", "NAME=FOLDER, such as corpora=/data/corpora")
    if not is_url(folder) and not Path(folder).is_dir():
        raise ParameterError(f"--root {name}: no folder {folder!r}; check the path")
    return name, folder
