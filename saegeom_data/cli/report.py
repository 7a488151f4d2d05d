"""Commands that show the results of one run: its report, and the trend of a number over depth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from saegeom_data.cli.terminal import Json, print_json, say, without_nan
from saegeom_data.errors import ParameterError, UnknownNameError
from saegeom_data.remote.address import is_elsewhere
from saegeom_data.results import open
from saegeom_data.spec.name_and_value import name_and_value

if TYPE_CHECKING:
    import xarray as xr

Results = Annotated[
    str, typer.Argument(metavar="RESULTS", help="Folder of a run's results, or the store in it, or its URL.")
]


def report(
    results: Results,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; report.html beside the store if not given.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the summary table as Markdown instead.")] = False,
    figures: Annotated[
        Path | None,
        typer.Option("--figures", help="Folder to make and write each figure into, as SVG and its numbers as CSV."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the report of a run. It is one HTML file that needs no network."""
    from saegeom_data.data.staging import refuse_existing
    from saegeom_data.report.page import write_report
    from saegeom_data.results.summary import as_markdown, as_records, summary_table

    tree = open.open_results(results)
    if markdown or as_json:
        table = summary_table(tree)
        print_json(as_records(table)) if as_json else say(as_markdown(table).rstrip())
        return
    if figures is not None:
        _write_figures(tree, figures)
        return
    # The report beside its results may be written anew, as it is made of them; any other file that is there stays.
    if output is not None:
        refuse_existing(output)
    if output is None and is_elsewhere(results):
        raise ParameterError(f"{results}: no folder to write report.html into; give a file with --output")
    # The store in a folder of results may be given as well as the folder.
    folder = Path(results) if (Path(results) / open.RESULTS).exists() else Path(results).parent
    target = output or folder / "report.html"
    write_report(tree, target)
    say(str(target))


def trend(
    results: Results,
    group: Annotated[
        str | None, typer.Option(help="Group of the results; all that metrics follow over depth if not given.")
    ] = None,
    value: Annotated[str | None, typer.Option(help="Output of the group to follow; a number for each SAE.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="DIM=LABEL for each other dimension of the output. May be repeated."),
    ] = None,
    highest: Annotated[bool, typer.Option("--highest", help="Look for the highest layer, not the lowest.")] = False,
    as_json: Json = False,
) -> None:
    """Follow numbers over depth. Each is given as measured, and adjusted for SAEs that differ in L0 or width."""
    tree = open.open_results(results)
    if value is None:
        if where or highest:
            raise ParameterError("--value: missing; --where and --highest say how to follow the output that it names")
        found = _followed(tree, group)
    else:
        if group is None:
            raise ParameterError("--group: missing; expected the group of the results that holds --value")
        found = {f"{group}/{value}": _trend_of(tree, group, value, where or [], highest)}
    if as_json:
        print_json({name: without_nan(trend.to_dict()) for name, trend in found.items()})
        return
    for name, trend in found.items():
        say(name)
        _print_trend(trend)


def _write_figures(tree: xr.DataTree, folder: Path) -> None:
    from saegeom_data.report.figure_files import write_figures

    paths, problems = write_figures(tree, folder)
    for path in paths:
        say(str(path))
    for line in problems:
        say(f"caution: {line}", err=True)


def _followed(tree: xr.DataTree, group: str | None) -> dict[str, xr.Dataset]:
    """Trends of what the metrics of the results follow over depth, or of one group of them."""
    from saegeom_data.results.followed import followed
    from saegeom_data.results.groups import read_groups

    if group is not None and group not in tree.children:
        raise UnknownNameError("group of results", group, tree.children)
    groups = [found for found in read_groups(tree) if group in (None, found.name)]
    numbers = followed(groups)
    if not numbers:
        what = "these results" if group is None else group
        raise ParameterError(f"{what}: no metric names a number to follow over depth; give --group and --value")
    return {"/".join(number.key): number.trend() for number in numbers}


def _trend_of(tree: xr.DataTree, group: str, value: str, where: list[str], highest: bool) -> xr.Dataset:
    from saegeom_data.results.depth_trend import depth_trend

    if group not in tree.children:
        raise UnknownNameError("group of results", group, tree.children)
    extreme: Literal["lowest", "highest"] = "highest" if highest else "lowest"
    data = _selected(tree[group].to_dataset(), where)
    return depth_trend(data, value, extreme=extreme, variants=_variants_of(tree, group, value))


def _variants_of(tree: xr.DataTree, group: str, value: str) -> str:
    """Output that holds variants of a number, if the metric of the group follows that number and names one."""
    from saegeom_data.results.followed import followed
    from saegeom_data.results.groups import read_groups

    numbers = followed([found for found in read_groups(tree) if found.name == group])
    named = [number.measure.variants for number in numbers if number.measure.output == value]
    return named[0] if named and named[0] in tree[group].data_vars else ""


def _selected(dataset: xr.Dataset, where: list[str]) -> xr.Dataset:
    """Take one label along each dimension that ``where`` names, as ``DIM=LABEL``."""
    for text in where:
        dim, label = name_and_value(text, "--where", "DIM=LABEL")
        if dim not in dataset.indexes:
            raise UnknownNameError("dimension", dim, dataset.indexes)
        # The command line has text only, while labels may be numbers.
        labels = {str(known): known for known in dataset.indexes[dim]}
        if label not in labels:
            raise UnknownNameError(f"label of {dim}", label, labels)
        dataset = dataset.sel({dim: labels[label]})
    return dataset


def _print_trend(found: xr.Dataset) -> None:
    say(f"{'SAE':<24} {'layer':>6} {'L0':>8} {'measured':>10} {'adjusted':>10}")
    for name in found.sae.values:
        sae = found.sel(sae=name)
        raw, adjusted = (float(sae.value.sel(adjustment=which)) for which in ("raw", "adjusted"))
        say(f"{name!s:<24} {float(sae.layer):>6g} {float(sae.l0):>8g} {raw:>10.4g} {adjusted:>10.4g}")
    for name in found.covariate.values:
        covariate = found.sel(covariate=name)
        low, high = float(covariate.partial_correlation_low), float(covariate.partial_correlation_high)
        correlation = float(covariate.partial_correlation)
        if name not in found.attrs["adjusted_for"]:
            say(_not_adjusted(found, str(name)))
            continue
        say(f"partial correlation with ln {name} given depth: {correlation:.2f} [{low:.2f}, {high:.2f}]")
    for which in found.adjustment.values:
        layer = float(found.extreme_layer.sel(adjustment=which))
        say(f"{found.attrs['extreme']} at layer {layer:g}, {which}")
    if int(found.n_variants):
        say(f"the same layer on {int(found.n_variants_alike)} of {int(found.n_variants)} variants, as measured")


def _not_adjusted(found: xr.Dataset, name: str) -> str:
    """Why there is no partial correlation with a covariate."""
    words = {"l0": "L0", "width": "width"}.get(name, name)
    if name not in found.coords:
        return f"{words} is not known, so no partial correlation with it is given"
    return f"{words} does not differ between SAEs, so no partial correlation with it is given"
