"""The units of a run: the lazy result of each metric on each SAE or site."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from saegeom_data.data import schema, write
from saegeom_data.data.selection import Selection
from saegeom_data.declare.metric import Metric
from saegeom_data.declare.registry import get_metric
from saegeom_data.engine import check_run
from saegeom_data.engine.left_out import LeftOut, missing_inputs, reason_of
from saegeom_data.errors import DataValueError, ParameterError, UnknownNameError
from saegeom_data.spec import models

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Unit:
    """The result of one metric on one SAE or site.

    Attributes
    ----------
    group
        Name of the result in the run.
    metric
        Declaration of the metric.
    name
        Name of the SAE or site: the row of the result.
    dataset
        The result, lazy until it is computed.
    place
        Scalar coordinates of the SAE or site, not read yet.
    draws
        Parameters of draws that were raised for this row, because p could not tell with those of the run.
    """

    group: str
    metric: Metric
    name: str
    dataset: xr.Dataset
    place: Mapping[str, xr.DataArray]
    draws: Mapping[str, int] = field(default_factory=dict)

    @property
    def source(self) -> tuple[str, str]:
        """What is measured: ``"sae"`` or ``"site"``, and its name."""
        return self.metric.over, self.name


def evaluate_units(run: models.RunSpec, selection: Selection, left_out: LeftOut | None = None) -> list[Unit]:
    """Build the result of each metric of a run on each SAE or site, lazily.

    Parameters
    ----------
    run
        Which metrics to evaluate.
    selection
        Gives each metric the variables that it declares, and no others: codes and text are not touched for a metric
        that needs neither.
    left_out
        Receives what the data cannot serve, for lack of an input or because it does not fit a parameter. Without it
        that is an error.

    Returns
    -------
    list of Unit
        In the order of the run, and within a metric in that of its SAEs or sites. An SAE that writes to several sites
        has a decoder at each: a metric of decoders is evaluated for each of them, as ``name@site``, and any other
        metric once, because codes are the same for all.

    Raises
    ------
    SpecError, UnknownNameError, ValidationError
        As :func:`saegeom_data.evaluate`.
    DataValueError
        If the dataset has nothing that a metric is evaluated for; with ``left_out``, if it can serve no metric at all.
    """
    check_run.check_run(run)
    units = [unit for measured in run.metrics for unit in _units(measured, selection, left_out)]
    if left_out is not None and not units:
        left_out.refuse_nothing_left()
    return units


def by_source(units: Iterable[Unit]) -> list[list[Unit]]:
    """Units of one SAE or site together: they read the same data, which is then read once for all of them."""
    found: dict[tuple[str, str], list[Unit]] = {}
    for unit in units:
        found.setdefault(unit.source, []).append(unit)
    return list(found.values())


def graph_of(datasets: Sequence[Any]) -> dict[Any, Any]:
    """Tasks that the datasets need, and no others."""
    from dask.core import flatten
    from dask.optimization import cull

    tasks: dict[Any, Any] = {}
    for dataset in datasets:
        graph = dataset.__dask_graph__()
        if graph is not None:
            keys = set(flatten(dataset.__dask_keys__()))
            # Not the method of the same name, which keeps layers that nothing needs.
            tasks |= cull(graph.to_dict(), keys)[0]
    return tasks


def apart(units: Sequence[Unit]) -> tuple[list[Unit], list[Unit]]:
    """Units of results to be held, and of matrices of tiles to be written tile by tile.

    A matrix that is tiled for one SAE is for all: they are written as one array.
    """
    tiled: dict[str, set[str]] = {}
    for unit in units:
        names = {str(name) for name, variable in unit.dataset.data_vars.items() if write.is_tiled(variable)}
        tiled.setdefault(unit.group, set()).update(names)
    held = [replace(unit, dataset=unit.dataset.drop_vars(tiled[unit.group])) for unit in units]
    return held, [replace(unit, dataset=unit.dataset[sorted(tiled[unit.group])]) for unit in units if tiled[unit.group]]


def together(held: Sequence[Unit], tiled: Sequence[Unit]) -> list[Unit]:
    """Units that :func:`apart` has put into two, with their matrices last."""
    matrices = {(unit.group, unit.name): unit.dataset for unit in tiled}
    units = []
    for unit in held:
        if (unit.group, unit.name) in matrices:
            both = unit.dataset.assign(matrices[unit.group, unit.name].data_vars)
            unit = replace(unit, dataset=both)
        units.append(unit)
    return units


def _units(measured: models.MetricRun, selection: Selection, left_out: LeftOut | None) -> list[Unit]:
    metric = get_metric(measured.metric)
    # Nothing else is selected, so that codes are never opened for a metric of decoders.
    variables = {variable.name for variable in (*metric.inputs, *metric.optional)}
    of_firing = measured.features == "firing"
    needed = (*metric.inputs, *([schema.occurrence] if of_firing else []))
    rows = _rows(metric, selection)
    if not rows and left_out is not None:
        left_out.add(measured.group, "", f"the data has no {_what(metric)}")
        return []
    units, chosen = [], _chosen(measured, metric, rows)
    if left_out is not None:
        left_out.asked[measured.group] = len(chosen)
    for row in chosen:
        name, site = rows[row]
        if metric.over == "site":
            dataset = selection.relations(name, variables)
        else:
            dataset = selection.sae(name, variables | {variable.name for variable in needed}, site=site)
        place = {str(coord): values for coord, values in dataset.coords.items() if not values.ndim}
        if left_out is not None:
            names = [str(variable) for variable in dataset.variables]
            missing = missing_inputs(metric.name, needed, names, str(dataset.attrs.get("no_occurrence", "")))
            if missing:
                left_out.add(measured.group, row, missing)
                continue
        try:
            result = metric(_without_silent(dataset, measured.group) if of_firing else dataset, **measured.parameters)
            if of_firing:
                result = result.assign_attrs(features=measured.features)
        # What is there but not as declared is a broken store, and never left out.
        except (ParameterError, DataValueError) as error:
            if left_out is None:
                raise
            left_out.add(measured.group, row, reason_of(error, metric))
            continue
        units.append(Unit(measured.group, metric, row, result, place))
    return units


def _without_silent(sae: xr.Dataset, group: str) -> xr.Dataset:
    """The SAE with zeros for the decoder rows of features that fire in no block; lazy, and without occurrence."""
    if schema.occurrence.name not in sae:
        reason = sae.attrs.get("no_occurrence") or "the data has no occurrence (blocks, features)"
        raise DataValueError(f"{group}: features: firing: {reason}, which tells the features that fire")
    fires = sae[schema.occurrence.name].any(schema.occurrence.dims[0])
    decoder = sae[schema.decoder.name]
    # Chunked as the rows are, so that no task needs more than its own.
    fires = fires.chunk({dim: decoder.chunksizes[dim] for dim in fires.dims}) if decoder.chunks else fires
    return sae.drop_vars(schema.occurrence.name).assign({schema.decoder.name: decoder.where(fires, 0)})


def _rows(metric: Metric, selection: Selection) -> Mapping[str, tuple[str, str | None]]:
    """Rows that a metric can be evaluated for, each with the SAE or site that it is of."""
    if metric.over == "site":
        return {site: (site, None) for site in schema.relation_sites(selection.tree)}
    if schema.decoder.name in {variable.name for variable in (*metric.inputs, *metric.optional)}:
        return selection.rows()
    return {name: (name, None) for name in schema.sae_names(selection.tree)}


def _what(metric: Metric) -> str:
    return "SAEs" if metric.over == "sae" else "word pairs under /relations"


def _chosen(measured: models.MetricRun, metric: Metric, rows: Mapping[str, tuple[str, str | None]]) -> list[str]:
    """Names of the rows that a metric is evaluated for, of all of SAEs or sites.

    The name of an SAE that writes to several sites stands for all of them.
    """
    known = list(rows)
    if not known:
        what = _what(metric)
        raise DataValueError(f"{measured.group}: the dataset has no {what}; remove the metric from the run or add them")
    if measured.saes == "all":
        return known
    if measured.saes == "middle":
        # Names are in the order of layers.
        return [known[len(known) // 2]]
    if not measured.saes:
        raise ParameterError(f"{measured.group}: saes is empty; name at least one, or give 'all'")
    chosen: dict[str, None] = {}
    for name in measured.saes:
        of_name = [name] if name in rows else [row for row, (sae, _) in rows.items() if sae == name]
        if not of_name:
            raise UnknownNameError("SAE or site", name, known)
        chosen |= dict.fromkeys(of_name)
    return list(chosen)
