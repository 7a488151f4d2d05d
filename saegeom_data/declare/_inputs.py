"""The Dataset that a metric is called on, and its variables as declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from saegeom_data import lazy
from saegeom_data.data.validation import width_problems
from saegeom_data.errors import DataValueError, ParameterError, Problem, ValidationError, suggest

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.data.schema import Variable


def dataset_of(given: Any, name: str, over: Literal["sae", "site"], inputs: tuple[Variable, ...]) -> xr.Dataset:
    """The Dataset that a metric is called on: one as it is, or what a group of a store holds of one SAE or site.

    Raises
    ------
    ParameterError
        If ``given`` is neither; says how to get it.
    """
    import xarray as xr

    if isinstance(given, xr.Dataset):
        return given
    if not isinstance(given, xr.DataTree):
        dims = ", ".join(map(repr, inputs[0].dims)) if inputs else ""
        hint = f"such as xarray.Dataset({{{inputs[0].name!r}: (({dims}), array)}})" if inputs else ""
        raise ParameterError(f"{name}: got {type(given).__name__}, expected an xarray.Dataset, {hint}")
    place = given.path.strip("/").split("/")
    of_sae = over == "sae" and place[0] == "saes" and len(place) > 1
    of_site = over == "site" and place[0] == "relations" and len(place) > 1
    if not (of_sae or of_site):
        hint = "select_sae(tree, name)" if over == "sae" else "select_relations(tree, site)"
        raise ParameterError(f"{name}: got the DataTree {given.path!r}, expected one {over}: {hint}")
    from saegeom_data.data.selection import select_relations, select_sae

    return select_sae(given.root, place[1]) if of_sae else select_relations(given.root, place[1])


def checked_inputs(
    dataset: xr.Dataset, name: str, inputs: tuple[Variable, ...], optional: tuple[Variable, ...]
) -> xr.Dataset:
    """The declared variables alone; values that are not finite are refused when they are computed.

    Raises
    ------
    ValidationError
        If one is missing, or one that is there is not as declared.
    DataValueError
        If one has no rows or columns.
    """
    # Where the Dataset comes from, if it is of a store.
    where = str(dataset.attrs.get("path", name))
    problems: list[Problem] = []
    for variable in inputs:
        if variable.name in dataset.variables:
            problems.extend(variable.problems(dataset[variable.name], f"{where}/{variable.name}"))
        else:
            near = suggest(variable.name, [str(other) for other in dataset.variables])
            message = f"missing; {name} needs {variable.phrase}{near}"
            if reason := dataset.attrs.get("no_occurrence"):
                message += f"; its codes give none: {reason}"
            problems.append(Problem(f"{where}/{variable.name}", message))
    found = tuple(variable for variable in optional if variable.name in dataset.variables)
    for variable in found:
        problems.extend(variable.problems(dataset[variable.name], f"{where}/{variable.name}"))
    given = (*inputs, *found)
    if "decoder" in {variable.name for variable in given}:
        problems.extend(width_problems(dataset, where))
    # All of them at once, so that a store is put right in one go.
    if problems:
        raise ValidationError(problems)
    empty = [
        Problem(f"{where}/{variable.name}", f"got 0 {dim}, expected at least 1")
        for variable in given
        for dim, size in dataset[variable.name].sizes.items()
        if not size
    ]
    if empty:
        raise DataValueError(*empty)
    finite = {
        variable.name: lazy.guard_finite(dataset[variable.name], f"{where}/{variable.name}")
        for variable in given
        if variable.kind == "float"
    }
    # Stores give numpy's string dtype of variable length, which casts to no fixed-width one; objects do.
    text = {variable.name: dataset[variable.name].astype(object) for variable in given if variable.kind == "string"}
    return dataset[[variable.name for variable in given]].assign(finite | text)
