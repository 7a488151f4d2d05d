"""Checks of the declaration, and of what a metric refuses: each refusal names what is wrong."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import xarray as xr

from saegeom_data.data.schema import Variable
from saegeom_data.errors import DataValueError, ParameterError, ValidationError
from saegeom_data.testing._case import Case

_SECTIONS = ("Parameters", "Returns", "Examples")
# Row 17 lies in the second chunk, inside it.
_ROW, _COLUMN, _CHUNK = 17, 3, 12


def documentation_is_complete(case: Case) -> None:
    """The docstring has its sections, names every parameter, and the metric has a reference."""
    text = inspect.getdoc(case.metric.function) or ""
    missing = [section for section in _SECTIONS if f"\n{section}\n{'-' * len(section)}" not in text]
    if missing:
        raise AssertionError(f"docstring: got no section {', '.join(missing)}, expected {', '.join(_SECTIONS)}")
    unnamed = [name for name in case.metric.parameters if f"\n{name}" not in text.replace(", ", "\n")]
    if unnamed:
        raise AssertionError(f"docstring: got no entry for {', '.join(unnamed)}, expected one for every parameter")
    if not case.metric.reference:
        raise AssertionError("got no reference, expected where the definition stands")


def has_an_anchor(case: Case) -> None:
    """A case with a known answer is declared."""
    if not case.metric.anchors:
        raise AssertionError("got no anchors, expected at least one case with a known answer")


def default_and_quick_parameters_are_accepted(case: Case) -> None:
    """Every default and every value of a quick run fits the annotation of its parameter."""
    case.metric.check_parameters(case.metric.quick)
    defaults = {
        name: parameter.default
        for name, parameter in case.metric.parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    required = {name: value for name, value in case.metric.quick.items() if name not in defaults}
    case.metric.check_parameters(defaults | required)


def unknown_parameter_is_named(case: Case) -> None:
    """A name that is no parameter is refused, with the nearest one that is."""
    known = next(iter(case.metric.parameters), None)
    near = "; did you mean" if known else ""
    # One letter away from a real name, so that a suggestion is due.
    unknown = f"{known or 'unknown'}x"
    message = f"^{case.metric.name}: {unknown}: unknown parameter{near}"
    _refused(case, case.dataset, ParameterError, message, **{unknown: 1})


def bad_parameter_is_named(case: Case) -> None:
    """A value that is no number, text or list is refused for every parameter."""
    for name in case.metric.parameters:
        message = f"^{case.metric.name}: {name}: got type, expected plain numbers"
        # A class fits no annotation, whatever the parameter is.
        _refused(case, case.dataset, ParameterError, message, **dict(case.metric.quick) | {name: object})


def missing_input_is_named(case: Case) -> None:
    """A dataset without one of the inputs is refused."""
    for variable in case.metric.inputs:
        message = f"/{variable.name}: missing; {case.metric.name} needs"
        _refused(case, case.dataset.drop_vars(variable.name), ValidationError, message)


def wrong_dims_are_named(case: Case) -> None:
    """An input over other dims is refused."""
    for variable in case.inputs:
        renamed = case.dataset.copy()
        renamed[variable.name] = renamed[variable.name].rename({variable.dims[0]: "others"})
        _refused(case, renamed, ValidationError, rf"/{variable.name}: got dims \(others")


def not_finite_is_named_by_row(case: Case, value: float, chunked: bool) -> None:
    """NaN or infinity in a float input is refused with its row, in memory and in chunks."""
    for variable in case.inputs:
        if variable.kind == "float":
            dataset, row = _with_value(case, variable, value)
            # Rows are counted over the whole array: a block must know where it begins.
            dataset = dataset.chunk({variable.dims[0]: _CHUNK}) if chunked else dataset
            message = f"{variable.name} {variable.dims[0]} {row}: got {value}"
            _refused(case, dataset, DataValueError, message)


def _with_value(case: Case, variable: Variable, value: float) -> tuple[xr.Dataset, int]:
    dataset = case.dataset.copy()
    changed = dataset[variable.name].copy(deep=True)
    place = tuple(np.minimum((_ROW, *(_COLUMN,) * (changed.ndim - 1)), np.array(changed.shape) - 1).tolist())
    changed.values[place] = value
    dataset[variable.name] = changed
    return dataset, place[0]


def _refused(case: Case, dataset: xr.Dataset, error: type[Exception], message: str, **parameters: Any) -> None:
    """Assert that an evaluation raises ``error`` with a text that holds the pattern ``message``."""
    given = parameters or case.metric.quick
    expected = f"expected {error.__name__} with {message!r}"
    try:
        case.metric(dataset, **given).compute()
    except error as refused:
        if not re.search(message, str(refused)):
            raise AssertionError(f"got {str(refused)!r}, {expected}") from refused
    # An error of another kind is a failed check too, and must say what it was.
    except Exception as other:
        raise AssertionError(f"got {type(other).__name__}: {other}, {expected}") from other
    else:
        raise AssertionError(f"got a result, {expected}")
