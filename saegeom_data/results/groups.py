"""Read results: one loaded group for each metric of a run, found by what it holds rather than by its name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saegeom_data.declare.group import Group
from saegeom_data.errors import ParameterError
from saegeom_data.results.wording import interval, listing, number, spread

if TYPE_CHECKING:
    import xarray as xr


def read_groups(results: xr.DataTree) -> list[Group]:
    """Load every group of a results tree that holds anything.

    Parameters
    ----------
    results
        What :func:`saegeom_data.evaluate` gives, computed or reopened.

    Raises
    ------
    ParameterError
        If it is no tree.
    """
    import xarray as xr

    if not isinstance(results, xr.DataTree):
        got = f"the path {os.fspath(results)!r}" if isinstance(results, str | os.PathLike) else type(results).__name__
        raise ParameterError(f"results: got {got}, expected an opened tree: saegeom_data.open('RUN/results.zarr')")
    groups = []
    for node in results.subtree:
        data = node.to_dataset(inherit=False)
        # The root holds facts of the run, and groups in between hold nothing.
        if node.path == "/" or not data.data_vars:
            continue
        attrs = data.attrs
        name = node.path.strip("/")
        metric, scale = str(attrs.get("metric", name)), str(attrs.get("scale", "other"))
        groups.append(Group(name, metric, scale, _parameters(attrs), _loaded(data)))
    return groups


def find_group(groups: Sequence[Group], metric: str, *needs: str, published: bool | None = False) -> Group | None:
    """First group of a metric that holds the variables it needs.

    Parameters
    ----------
    groups
        All groups.
    metric
        Registered name.
    needs
        Variables it must hold.
    published
        Whether the published estimator is wanted, the default one, or either (None).
    """
    for group in groups:
        # The published estimator of a metric gives the same outputs under the same names.
        is_published = group.parameters.get("estimator") == "published"
        if group.metric == metric and group.has(*needs) and published in (None, is_published):
            return group
    return None


def firing_sentence(groups: Sequence[Group]) -> str:
    """Which results are of the features that fire alone, in a sentence without its stop; empty if none is."""
    names = [group.name for group in groups if group.data.attrs.get("features") == "firing"]
    return f"{listing(names)}: only of features that fire on the text of the store" if names else ""


def row_name(group: Group, row: str) -> str:
    """Name of a row in a sentence: its layer where that is known."""
    layer = group.coordinate(row, "layer")
    return row if layer is None else f"layer {layer}"


def range_and_largest(
    group: Group, values: Mapping[str, float], low: float | None, high: float | None, digits: int = 3
) -> str:
    """The range of some rows' values, and the largest with its interval and its row; one value with its interval."""
    top = max(values, key=values.__getitem__)
    largest = f"{number(values[top], digits)} {interval(low, high, digits)}"
    if len(values) == 1:
        return largest
    return f"{spread(list(values.values()), digits)}, the largest {largest} at {row_name(group, top)}"


def row_order(groups: Sequence[Group]) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """Yield the rows of a table over all groups: a label, its coordinates, and its name among SAEs and among sites.

    A site's row is that of its SAE where exactly one SAE reads that site.
    """
    saes = {row: _coordinates(group, row) for group in groups if group.over == "sae" for row in group.rows}
    sites = {row: _coordinates(group, row) for group in groups if group.over == "site" for row in group.rows}
    taken = set()
    for sae, coordinates in saes.items():
        site = coordinates.get("site")
        # What several SAEs read says nothing of any one of them.
        alone = sum(other.get("site") == site for other in saes.values()) == 1
        names = {"sae": sae}
        if site in sites and alone:
            names["site"] = str(site)
            taken.add(site)
        yield sae, coordinates, names
    for site, coordinates in sites.items():
        if site not in taken:
            yield site, coordinates, {"site": site}


def _coordinates(group: Group, row: str) -> dict[str, Any]:
    found = {name: group.coordinate(row, name) for name in ("site", "layer", "width", "l0")}
    return {name: value for name, value in found.items() if value is not None}


def _loaded(data: xr.Dataset) -> xr.Dataset:
    """Load all but matrices of pairs of features, which may be larger than memory and which no figure shows."""
    of_pairs = [name for name, variable in data.variables.items() if "features_other" in variable.dims]
    # All at once: a scheduler that is started for each of many small outputs takes longer than it takes to read them.
    return data.assign(data.drop_vars(of_pairs).load().variables)


def _parameters(attrs: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return dict(json.loads(attrs.get("parameters", "{}")))
    # Results of other programs may hold anything here, and can still be shown.
    except (TypeError, ValueError):
        return {}
