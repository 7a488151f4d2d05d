"""Commands over results of others: compare them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from saegeom_data.errors import ParameterError, TargetExistsError
from saegeom_data.terminal import Json, print_json, print_table


def compare(
    results: Annotated[
        list[str], typer.Argument(metavar="OUT...", help="Folders of runs' results, the stores in them, or their URLs.")
    ],
    sort: Annotated[str | None, typer.Option(help="Column to sort by: its heading, or the name of a value.")] = None,
    descending: Annotated[bool, typer.Option("--descending", help="Sort from the largest down.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, to paste into a paper.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, every value unrounded.")] = False,
    html: Annotated[Path | None, typer.Option(help="File to write: one page with a sortable table.")] = None,
    as_json: Json = False,
) -> None:
    """Show results side by side: one row an SAE, with intervals, nulls, versions, and whether L0 and width agree."""
    from saegeom_data import runner
    from saegeom_data.report import comparison, comparison_page

    if sum([markdown, csv, as_json, html is not None]) > 1:
        raise ParameterError("compare: got more than one of --markdown, --csv, --json and --html; give one")
    if html is not None and html.exists():
        raise TargetExistsError(f"{html}: exists already; give another path or remove it first")
    trees = {label: runner.open_results(path) for label, path in _labels(results).items()}
    for path, tree in zip(results, trees.values(), strict=True):
        if tree.attrs.get("kind") != "results":
            raise ParameterError(f"{path}: a dataset, expected the results of a run; make them with saegeom run")
    found = comparison.compare(trees)
    if sort is not None:
        found = comparison.sort_rows(found, sort, descending=descending)
    if html is not None:
        _write(html, comparison_page.comparison_html(found))
    elif as_json:
        print_json(comparison_page.comparison_json(found))
    elif csv or markdown:
        text = comparison_page.comparison_csv(found) if csv else comparison_page.comparison_markdown(found)
        typer.echo(text, nl=False)
    else:
        print_table(found.table)
        for sentence in found.cautions:
            typer.echo(f"caution: {sentence}")
        for line in comparison_page.method_lines(found):
            typer.echo(f"* {line}")


def _labels(addresses: list[str]) -> dict[str, str]:
    """Short names of results: the last part of their address, or all of it where that is not theirs alone."""
    twice = [address for address, count in Counter(addresses).items() if count > 1]
    if twice:
        raise ParameterError(f"compare: {twice[0]} is given twice; give each result once")
    short = [Path(address.rstrip("/").removesuffix("/results.zarr")).name or address for address in addresses]
    counts = Counter(short)
    return {name if counts[name] == 1 else address: address for name, address in zip(short, addresses, strict=True)}


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ParameterError(f"{path}: cannot be written: {error.strerror}; give another path") from error
    typer.echo(str(path))
