"""From the units of a run to its results: one group for each metric, over SAEs or sites."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saegeom_data.data import comparability, provenance, schema
from saegeom_data.data.selection import Selection
from saegeom_data.engine.units import Unit

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.spec.models import RunSpec

_COORDS = ("site", "layer", "width", "l0")


def join(units: Sequence[Unit], attrs: Mapping[str, Any] | None = None) -> xr.DataTree:
    """Put units, lazy or computed, side by side.

    Parameters
    ----------
    units
        What :func:`saegeom_data.engine.units.evaluate_units` or :func:`saegeom_data.engine.compute.compute` gives.
    attrs
        Attributes of the root.

    Returns
    -------
    xarray.DataTree
        One group for each metric of the run, over ``sae`` with coordinates site, layer, width and l0, or over ``site``.
        Where sizes differ, results are padded with the fill of their output. Where some were drawn for more often than
        the run says, the number of draws of each is a coordinate named as the parameter.
    """
    import xarray as xr

    groups: dict[str, list[Unit]] = {}
    for unit in units:
        groups.setdefault(f"/{unit.group}", []).append(unit)
    root = {"/": xr.Dataset(attrs=dict(attrs or {}))}
    return xr.DataTree.from_dict(root | {path: _side_by_side(members) for path, members in groups.items()})


def attributes(run: RunSpec, selection: Selection, units: Sequence[Unit]) -> dict[str, Any]:
    """Attributes of a run's results: what was measured, with what, and in what its SAEs are not alike."""
    tree = selection.tree
    compared = {unit.name for unit in units if unit.metric.over == "sae"}
    return {
        "format_version": schema.FORMAT_VERSION,
        "kind": "results",
        "title": run.title,
        "license": tree.attrs.get("license", "unknown"),
        "spec": run.model_dump_json(),
        "versions": json.dumps(provenance.versions()),
        "unmatched": comparability.unmatched(
            [
                selection.sae(name, (), site=site)
                for row, (name, site) in selection.rows().items()
                if row in compared or name in compared
            ]
        ),
        **provenance.describe_source(tree),
    }


def _side_by_side(units: Sequence[Unit]) -> xr.Dataset:
    """Results of one metric along a new dimension, with the coordinates that every SAE or site has."""
    import xarray as xr

    metric = units[0].metric
    # By output, because whole numbers have no NaN to be padded with.
    fills = {output.name: output.fill for output in metric.outputs}
    sizes = {dim: max(unit.dataset.sizes[dim] for unit in units) for dim in units[0].dataset.sizes}
    # Scalar coordinates are those of the first unit here, and are put beside every row below.
    along = xr.concat(
        [_padded(unit.dataset, sizes, fills) for unit in units],
        dim=metric.over, join="outer", fill_value=fills, data_vars="all", coords="minimal", compat="override",
        combine_attrs="override",
    )  # fmt: skip
    coords: dict[str, Any] = {metric.over: [unit.name for unit in units]}
    for name in _COORDS:
        values = [unit.place[name].values.item() for unit in units if name in unit.place]
        # A coordinate that some lack is left out: a gap would turn whole numbers into floats.
        if name != metric.over and len(values) == len(units):
            coords[name] = (metric.over, values)
    parameters = json.loads(units[0].dataset.attrs.get("parameters", "{}"))
    for name in sorted({name for unit in units for name in unit.draws}):
        # Beside every row, as the parameters of the group say it of those that were not drawn for again.
        coords[name] = (metric.over, [unit.draws.get(name, parameters.get(name)) for unit in units])
    return along.assign_coords(coords)


def _padded(result: xr.Dataset, sizes: Mapping[Any, int], fills: Mapping[str, Any]) -> xr.Dataset:
    """Pad the dimensions without labels; labelled ones are aligned by their labels."""
    short = {
        dim: (0, sizes[dim] - size)
        for dim, size in result.sizes.items()
        if size < sizes[dim] and dim not in result.indexes
    }
    return result.pad(short, constant_values=dict(fills)) if short else result
