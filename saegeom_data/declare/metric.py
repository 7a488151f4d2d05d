"""The declaration of a metric.

A metric is a pure function from one Dataset to a small Dataset with frozen data beside it; the command line, validation
and the common tests are derived from that data.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from saegeom_data.declare._inputs import checked_inputs, dataset_of
from saegeom_data.declare._parameters import checked_parameters
from saegeom_data.declare.output import Output
from saegeom_data.declare.seeds import own_seed
from saegeom_data.errors import ParameterError, Problem

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.data.schema import Variable
    from saegeom_data.declare.claim import Null
    from saegeom_data.declare.guidance import Guidance
    from saegeom_data.declare.presentation import Presentation


Scale = Literal["atom", "brain", "galaxy"]
Pattern = Literal["rows", "pairs", "whole"]
Invariance = Literal["rotation", "permutation", "scale"]


@dataclass(frozen=True)
class Anchor:
    """A case whose answer is known in advance.

    Parameters
    ----------
    name
        What the case shows.
    simulate
        Makes the input.
    expected
        Value and absolute tolerance of each output that is known.
    parameters
        Parameters of the metric in this case.
    """

    name: str
    simulate: Callable[[], xr.Dataset]
    expected: Mapping[str, tuple[float, float]]
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Metric:
    """A declared metric. Call it like the function it wraps.

    Attributes
    ----------
    name
        Registered name.
    version
        Raised whenever the numbers change.
    scale
        ``"atom"``, ``"brain"`` or ``"galaxy"``.
    over
        What it is evaluated for: each ``"sae"`` or each ``"site"`` with word pairs.
    inputs, outputs
        Declared variables that it reads and gives.
    invariances
        For each change of the input that leaves outputs as they are, the names of those outputs.
    pattern
        How it walks over the data: ``"rows"``, ``"pairs"`` or ``"whole"``.
    reference
        Where the definition stands.
    quick
        Parameters that make a trial run fast.
    anchors
        Cases with known answers.
    optional
        Declared variables that it reads where the dataset has them.
    presentation
        ``"module:NAME"`` of the :class:`saegeom_data.declare.presentation.Presentation` that shows its results; found
        only when results are shown. Without one, tables and reports show its outputs plainly.
    nulls
        Every null model of the metric: what "beyond every null" means.
    guidance
        The question it answers, how to read it and how it misleads, for its page in the guide.
    """

    function: Callable[..., xr.Dataset]
    version: int
    scale: Scale
    over: Literal["sae", "site"]
    inputs: tuple[Variable, ...]
    outputs: tuple[Output, ...]
    invariances: Mapping[Invariance, tuple[str, ...]]
    pattern: Pattern
    reference: str
    quick: Mapping[str, Any]
    anchors: tuple[Anchor, ...]
    optional: tuple[Variable, ...] = ()
    presentation: str = ""
    nulls: tuple[Null, ...] = ()
    guidance: Guidance | None = None

    def load_presentation(self) -> Presentation | None:
        """Import the presentation that the metric names; None if it names none.

        Raises
        ------
        TypeError
            If what it names is no presentation.
        """
        if not self.presentation:
            return None
        # Imported by name and late: declarations are read without plotly, which presentations draw with.
        from pkgutil import resolve_name

        from saegeom_data.declare.presentation import Presentation

        found = resolve_name(self.presentation)
        if not isinstance(found, Presentation):
            raise TypeError(f"{self.presentation}: got {type(found).__name__}, expected a Presentation")
        return found

    @property
    def name(self) -> str:
        """Registered name: that of the function."""
        return self.function.__name__

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (inspect.getdoc(self.function) or "").split("\n", 1)[0]

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """Keyword-only parameters of the function."""
        parameters = inspect.signature(self.function).parameters
        return {
            name: parameter
            for name, parameter in parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }

    def card(self) -> dict[str, Any]:
        """Everything declared, as plain data: what ``saegeom describe`` prints."""
        return {
            "name": self.name,
            "version": self.version,
            "scale": self.scale,
            "over": self.over,
            "pattern": self.pattern,
            "summary": self.summary,
            "question": "" if self.guidance is None else self.guidance.question,
            "inputs": [_described(variable) for variable in self.inputs],
            "optional": [_described(variable) for variable in self.optional],
            "parameters": {
                name: {"type": str(parameter.annotation), "default": parameter.default}
                for name, parameter in self.parameters.items()
            },
            "outputs": [
                {
                    "name": output.name,
                    "dims": output.dims,
                    "dtype": output.dtype,
                    "units": output.units,
                    "bounds": output.bounds,
                    "direction": output.direction,
                    "label": output.label or output.name,
                    "description": output.description,
                }
                for output in self.outputs
            ],
            "nulls": [{"label": null.label, "words": null.words, "draws": null.draws} for null in self.nulls],
            "invariances": {name: list(outputs) for name, outputs in self.invariances.items()},
            "reference": self.reference,
            "documentation": inspect.getdoc(self.function) or "",
        }

    def __repr__(self) -> str:
        return f"<metric {self.name}, version {self.version}, {self.scale} scale: {self.summary}>"

    def _repr_html_(self) -> str:
        """Return a card for notebooks: what it takes, what it gives, and what it is compared with."""
        from saegeom_data.declare.cards import html_of

        return html_of(self.card())

    def __call__(self, dataset: xr.Dataset | xr.DataTree, **parameters: Any) -> xr.Dataset:
        """Evaluate the metric lazily, on the Dataset of one SAE or site, or on its group in a store.

        Raises
        ------
        ValidationError
            If an input variable is missing, or one that is there is not as declared.
        ParameterError
            If ``dataset`` is none, or a parameter is unknown or of the wrong type or range.
        DataValueError
            If an input has no rows or columns, or holds values that are NaN, infinite or so large that their squares
            are; lazy inputs raise it for values when they are computed.
        """
        values = self.check_parameters(parameters)
        dataset = dataset_of(dataset, self.name, self.over, self.inputs)
        inputs = checked_inputs(dataset, self.name, self.inputs, self.optional)
        drawn = {"seed": own_seed(values["seed"], dataset.attrs.get("path"))} if "seed" in values else {}
        # Labelled with the seed that was given, which gives the same again.
        return self._labelled(self.function(inputs, **(values | drawn)), values)

    def check_parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return all parameters of a call, defaults included, after checking names and types.

        Raises
        ------
        ParameterError
            Names every parameter that is wrong.
        """
        values, problems = checked_parameters(self.function, self.parameters, parameters)
        if problems:
            raise ParameterError(*(problem.inside(self.name) for problem in problems))
        return values

    def parameter_problems(self, parameters: Mapping[str, Any]) -> list[Problem]:
        """Find what is wrong with the parameters of a call; the place of each problem is the parameter's name."""
        return checked_parameters(self.function, self.parameters, parameters)[1]

    def _labelled(self, result: xr.Dataset, values: Mapping[str, Any]) -> xr.Dataset:
        """Check the result against the declared outputs and give it its attributes."""
        declared = {output.name: output for output in self.outputs}
        found = {str(name): tuple(map(str, variable.dims)) for name, variable in result.data_vars.items()}
        # A mistake of the metric's author and not of the caller, hence no error of this package's own.
        if found != {name: output.dims for name, output in declared.items()}:
            expected = {output.name: output.dims for output in self.outputs}
            raise AssertionError(f"{self.name}: got outputs {found}, declared {expected}")
        for name, output in declared.items():
            result[name].attrs.update(units=output.units, description=output.description)
        return result.assign_attrs(
            metric=self.name,
            metric_version=self.version,
            scale=self.scale,
            parameters=json.dumps(values, sort_keys=True, default=str),
            reference=self.reference,
        )


def _described(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "dims": variable.dims,
        "kind": variable.kind,
        "description": variable.description,
    }


def metric(
    *,
    version: int,
    scale: Scale,
    inputs: tuple[Variable, ...],
    outputs: tuple[Output, ...],
    pattern: Pattern,
    reference: str,
    over: Literal["sae", "site"] = "sae",
    invariances: Mapping[Invariance, tuple[str, ...]] | None = None,
    quick: Mapping[str, Any] | None = None,
    anchors: tuple[Anchor, ...] = (),
    optional: tuple[Variable, ...] = (),
    presentation: str = "",
    nulls: tuple[Null, ...] = (),
    guidance: Guidance | None = None,
) -> Callable[[Callable[..., xr.Dataset]], Metric]:
    """Declare a function ``f(dataset, *, ...) -> Dataset`` as a metric; see :class:`Metric` for the fields.

    Register it with an entry point of group ``saegeom_data.metrics``.
    """

    def declare(function: Callable[..., xr.Dataset]) -> Metric:
        declared = Metric(
            function, version, scale, over, inputs, outputs, invariances or {}, pattern, reference, quick or {},
            anchors, optional, presentation, nulls, guidance,
        )  # fmt: skip
        # Keeps help(), doctest and inspect.signature on the function's own text.
        object.__setattr__(declared, "__doc__", function.__doc__)
        object.__setattr__(declared, "__wrapped__", function)
        object.__setattr__(declared, "__module__", function.__module__)
        return declared

    return declare
