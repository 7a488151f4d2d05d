"""Parameters of a metric, checked against the annotations of its function."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.errors import Problem, expectation, suggest

if TYPE_CHECKING:
    import xarray as xr


def checked_parameters(
    function: Callable[..., xr.Dataset], known: Mapping[str, inspect.Parameter], given: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Problem]]:
    """All parameters of a call of ``function``, defaults included, and what is wrong with those that are ``given``.

    The place of each problem is the parameter's name.
    """
    all_known = f"; known: {', '.join(known)}" if known else "; it takes none"
    problems = [
        Problem(name, f"unknown parameter{suggest(name, known) or all_known}") for name in given if name not in known
    ]
    values = {name: parameter.default for name, parameter in known.items()}
    for name in known:
        if name in given:
            try:
                values[name] = _converted(function, name, given[name])
            except (ValueError, TypeError) as error:
                problems.append(Problem(name, _reason(error)))
        elif values[name] is inspect.Parameter.empty:
            problems.append(Problem(name, "missing parameter"))
    return values, problems


def _converted(function: Callable[..., xr.Dataset], name: str, value: Any) -> Any:
    """Check a value against a parameter's annotation as strictly as JSON is checked: no text for numbers, say."""
    # Parameters are kept as JSON beside the result, so what JSON cannot say is no parameter.
    text = json.dumps(
        value, default=lambda item: item.tolist() if isinstance(item, np.generic | np.ndarray) else _refuse(item)
    )
    # From JSON, since tuples are lists there: strict checks of Python's values would refuse what a spec gives.
    adapter = _adapter(function, name)
    try:
        return adapter.validate_json(text, strict=True)
    except ValueError:
        # A list of a single number may be written as the number; text is never meant as a list of its letters.
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise
        try:
            return adapter.validate_json(f"[{text}]", strict=True)
        except ValueError:
            pass
        raise


def _refuse(value: Any) -> Any:
    raise TypeError(f"got {type(value).__name__}, expected plain numbers, text or lists")


@functools.cache
def _adapter(function: Callable[..., xr.Dataset], name: str) -> Any:
    """What checks values of one parameter against its annotation."""
    from typing import get_type_hints

    from pydantic import ConfigDict, TypeAdapter

    # Of this parameter alone: the dataset's annotation may name what is imported for type checkers only.
    alone = SimpleNamespace(__annotations__={name: inspect.signature(function).parameters[name].annotation})
    hint = get_type_hints(alone, globalns=function.__globals__, localns={}, include_extras=True)[name]
    # JSON has neither, so a result could not state such a parameter.
    return TypeAdapter(hint, config=ConfigDict(allow_inf_nan=False))


def _reason(error: Exception) -> str:
    details = error.errors() if hasattr(error, "errors") else []
    return expectation(*details) if details else str(error)
