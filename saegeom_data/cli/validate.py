"""The command that checks a store, or a spec file of any kind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from saegeom_data.cli.terminal import Json, print_json, say, task_progress
from saegeom_data.errors import SpecError, suggest

if TYPE_CHECKING:
    from saegeom_data.errors import Problem


def validate(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH", help="A store (folder, zip or URL), the folder of a run's results, or a spec (.yaml)."
        ),
    ],
    values: Annotated[bool, typer.Option("--values", help="Read the data too, and check its values.")] = False,
    checksums: Annotated[
        bool, typer.Option("--checksums", help="Read every byte, and compare it with the manifest.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check a store or a spec. Print every problem found, and exit with 2 if there is any."""
    from saegeom_data.spec.models import is_spec_file

    problems = _spec_problems(path) if is_spec_file(path) else _store_problems(path, values, checksums)
    if as_json:
        listed = [{"where": problem.where, "message": problem.message} for problem in problems]
        print_json({"path": path, "valid": not problems, "problems": listed})
    elif problems:
        for problem in problems:
            say(str(problem), err=True)
    else:
        say(f"{path}: valid")
    if problems:
        raise typer.Exit(2)


def check_spec_file(path: str | os.PathLike[str]) -> None:
    """Raise :class:`SpecError` with all problems of a spec file of any kind; its ``kind`` key says which."""
    from saegeom_data.engine.check_run import check_run
    from saegeom_data.spec import strict_yaml
    from saegeom_data.spec.checked import MISSING_KEY, modelled
    from saegeom_data.spec.models import RunSpec, read_text
    from saegeom_data.spec.strict_yaml import Source

    where = str(path)
    node, value, problems = strict_yaml.read(read_text(path), where)
    kind = value.get("kind")
    if kind == "run":
        modelled(node, value, problems, RunSpec, where, check_run)
    elif kind == "dataset":
        from saegeom_data.harvest import Recipe

        modelled(node, value, problems, Recipe, where)
    elif kind == "benchmark":
        from saegeom_data.share.benchmark import Benchmark, check_benchmark

        modelled(node, value, problems, Benchmark, where, check_benchmark)
    elif kind == "catalogue":
        from saegeom_data.share.catalogue import Catalogue, check_catalogue

        modelled(node, value, problems, Catalogue, where, check_catalogue)
    else:
        known = ["benchmark", "catalogue", "dataset", "run"]
        message = (
            f"got {kind!r}, expected 'benchmark', 'catalogue', 'dataset' or 'run'{suggest(str(kind), known)}"
            if "kind" in value
            else MISSING_KEY
        )
        raise SpecError([*problems, Source(where, node).problem(("kind",), message)])


def _spec_problems(path: str) -> list[Problem]:
    try:
        check_spec_file(path)
    except SpecError as error:
        return list(error.problems)
    return []


def _store_problems(path: str, values: bool, checksums: bool) -> list[Problem]:
    from saegeom_data.data import manifest_of, store, validation
    from saegeom_data.data.value_checks import value_problems
    from saegeom_data.declare.registry import result_problems
    from saegeom_data.results.open import results_in

    path = results_in(path)
    with store.open_unchecked(path) as tree:
        with task_progress("reading", unit="bytes") as progress:
            problems = manifest_of.manifest_problems(path, checksums=checksums, progress=progress)
        problems += validation.validate(tree)
        # What stands on a broken file or a broken declaration has nothing more to say.
        if tree.attrs.get("kind") == "results" and not problems:
            problems += result_problems(tree)
        if values and not problems:
            problems += value_problems(tree)
    return problems
