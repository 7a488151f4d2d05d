"""The battery: checks that every metric must pass, made from its declaration."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import xarray as xr

from saegeom_data.declare.metric import Metric
from saegeom_data.testing import _presentation_checks as presentations
from saegeom_data.testing import _refusal_checks as refusals
from saegeom_data.testing import _result_checks as results
from saegeom_data.testing._case import Case, simulated_example
from saegeom_data.testing._odd_inputs import (
    fewer_features_than_dimensions,
    odd_input_is_computed_or_refused,
    odd_inputs,
)

_N_RANDOM_CHUNKINGS = 3


@dataclass(frozen=True)
class Check:
    """One check of one metric. Call it to run it.

    Parameters
    ----------
    metric
        Name of the metric.
    name
        What is checked.
    run
        Raises if the metric fails.

    Examples
    --------
    >>> def run():
    ...     raise ValueError("no rows")
    >>> Check("isotropy", "anchor", run)()
    Traceback (most recent call last):
    AssertionError: isotropy: anchor: raised ValueError: no rows
    """

    metric: str
    name: str
    run: Callable[[], None]

    def __str__(self) -> str:
        return f"{self.metric}: {self.name}"

    def __call__(self) -> None:
        """Run the check.

        Raises
        ------
        AssertionError
            If the metric fails: one line that says which check, on which input, and what was got and expected.
        """
        try:
            self.run()
        except Exception as error:
            kind = "" if isinstance(error, AssertionError) else f"raised {type(error).__name__}: "
            # Messages of several lines become one, as test runners show the first line only.
            raise AssertionError(f"{self}: {kind}{' '.join(str(error).split())}") from error


# A further check is one more function of a case, and one more line here.
_CHECKS: tuple[tuple[str, Callable[[Case], None]], ...] = (
    ("documentation is complete", refusals.documentation_is_complete),
    ("has an anchor", refusals.has_an_anchor),
    ("default and quick parameters are accepted", refusals.default_and_quick_parameters_are_accepted),
    ("unknown parameter is named", refusals.unknown_parameter_is_named),
    ("bad parameter is named", refusals.bad_parameter_is_named),
    ("missing input is named", refusals.missing_input_is_named),
    ("wrong dims are named", refusals.wrong_dims_are_named),
    ("outputs are as declared", results.outputs_are_as_declared),
    ("dtypes are as declared", results.dtypes_are_as_declared),
    ("values are within bounds", results.values_are_within_bounds),
    ("presentation names declared outputs", presentations.presentation_names_declared_outputs),
    ("presentation shows results", presentations.presentation_shows_results),
    ("same input, same result", results.same_input_same_result),
    ("builds lazily", results.builds_lazily),
    ("input is left alone", results.input_is_left_alone),
    ("dtypes are as announced", results.dtypes_are_as_announced),
    ("other input, other result", results.other_input_other_result),
    ("equals eager in smallest chunks", results.equals_eager_in_smallest_chunks),
    ("tasks grow with chunks", results.tasks_grow_with_chunks),
    ("store gives the same", results.store_gives_the_same),
    ("result survives the disk", results.result_survives_the_disk),
)


def metric_checks(metric: Metric, *, example: Callable[[int], xr.Dataset] | None = None) -> tuple[Check, ...]:
    """Checks that a metric must pass, made from its declaration; nothing is run yet.

    Parameters
    ----------
    metric
        A metric made by :func:`saegeom_data.metric`.
    example
        Makes the input of a seed, in memory; by default a simulated SAE or simulated word pairs. The same seed must
        give the same input, and seeds 0 and 1 different ones. It holds what every store has too: ``decoder`` of an SAE,
        or words and both activations of word pairs.

    Returns
    -------
    tuple of Check
        Each is called to be run and has a name. Checks of one call share the results that they look at.

    Raises
    ------
    ValueError
        If the metric needs inputs that the simulators do not make, and no ``example`` is given.

    Examples
    --------
    >>> import saegeom_data
    >>> checks = metric_checks(saegeom_data.get_metric("isotropy"))
    >>> print(checks[0])
    isotropy: documentation is complete
    >>> checks[0]()
    """
    # One case for all checks, so that each result that several look at is computed once.
    case = Case(metric, example or simulated_example(metric))
    named = (*_CHECKS, *_repeated(metric))
    return tuple(Check(metric.name, name, functools.partial(check, case)) for name, check in named)


def _repeated(metric: Metric) -> Iterator[tuple[str, Callable[[Case], None]]]:
    """Checks of which there is one per chunking, value, odd input, declared invariance and anchor."""
    for seed in range(_N_RANDOM_CHUNKINGS):
        yield (
            f"equals eager in random chunks {seed}",
            functools.partial(results.equals_eager_in_random_chunks, seed=seed),
        )
    for value in (float("nan"), float("inf")):
        for chunked in (False, True):
            name = f"{value} is refused {'in chunks' if chunked else 'in memory'}"
            yield name, functools.partial(refusals.not_finite_is_named_by_row, value=value, chunked=chunked)
    if any({"features", "hidden"} <= set(variable.dims) for variable in metric.inputs):
        yield "equals eager where features are fewer than dimensions", fewer_features_than_dimensions
    for name, make in odd_inputs(metric):
        yield f"odd input, {name}", functools.partial(odd_input_is_computed_or_refused, make=make)
    for change in metric.invariances:
        yield f"{change} invariance", functools.partial(results.declared_invariance, change=change)
    for anchor in metric.anchors:
        yield f"anchor, {anchor.name}", functools.partial(results.anchor_is_met, anchor=anchor)


def check_metric(metric: Metric, *, example: Callable[[int], xr.Dataset] | None = None) -> None:
    """Run every check that a metric must pass, and stop at the first that fails.

    Checked are: documentation; parameters, missing inputs, wrong dims, NaN and infinity refused by name; outputs, dims,
    units, dtypes and bounds as declared; the presentation, if there is one; the input left alone; the same result for
    the same input and another for another; laziness; the number of tasks; equality with the result in memory for four
    chunkings of all dimensions, and where features are fewer than dimensions; small and odd inputs, for which there is
    a result or an error of this package; declared invariances; anchors; a store as input; the result written and opened
    again.

    Parameters
    ----------
    metric, example
        As in :func:`metric_checks`.

    Raises
    ------
    AssertionError
        If the metric fails: one line that says which check, on which input, and what was got and expected.
    ValueError
        If the metric needs inputs that the simulators do not make, and no ``example`` is given.

    Examples
    --------
    >>> import saegeom_data
    >>> check_metric(saegeom_data.get_metric("cooccurrence"))
    """
    for check in metric_checks(metric, example=example):
        check()
