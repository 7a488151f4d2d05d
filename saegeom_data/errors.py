"""The errors that this package raises, all under one root.

Every error is one line that says what is wrong, where, what was found against what was expected, and how to fix it.
Each class also inherits the builtin that fits it, so that callers may catch either.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from saegeom_data.shown import without_secrets


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where.

    Parameters
    ----------
    where
        Path of the variable, attribute, file or key, or name of the parameter; empty if the message says it.
    message
        What was found against what was expected, and how to fix it.

    Examples
    --------
    >>> str(Problem("/saes/layer_0/features/decoder", "missing"))
    '/saes/layer_0/features/decoder: missing'
    """

    where: str
    message: str

    def __post_init__(self) -> None:
        # Here, because every message passes here: an address in one may hold a password or a signature.
        object.__setattr__(self, "where", without_secrets(self.where))
        object.__setattr__(self, "message", without_secrets(self.message))

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message

    def inside(self, where: object) -> Problem:
        """Return the same problem with the store, file or metric in which its place is.

        Examples
        --------
        >>> str(Problem("zarr.json", "missing").inside("a.zarr"))
        'a.zarr: zarr.json: missing'
        """
        return Problem(f"{where}: {self.where}" if self.where else str(where), self.message)


class SaegeomError(Exception):
    """Root of every error that this package raises on purpose.

    Parameters
    ----------
    *problems
        What is wrong, at least one; text stands for a problem whose place is in the text.

    Attributes
    ----------
    problems
        The same as data, so that nobody takes the message apart.

    Examples
    --------
    >>> error = SaegeomError(Problem("depth_trend", "got 2 SAEs, expected 3"), "no results")
    >>> [problem.message for problem in error.problems]
    ['got 2 SAEs, expected 3', 'no results']
    >>> print(error)
    depth_trend: got 2 SAEs, expected 3
    no results
    """

    problems: tuple[Problem, ...]

    def __init__(self, *problems: Problem | str) -> None:
        self.problems = tuple(problem if isinstance(problem, Problem) else Problem("", problem) for problem in problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions cross processes by pickle, which by default passes the message as the only argument.
        return type(self), self.problems

    @property
    def reason(self) -> str:
        """What is wrong, without where."""
        return "; ".join(problem.message for problem in self.problems)


class ValidationError(SaegeomError, ValueError):
    """Data that breaks its declaration; carries every problem found, not only the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__(*problems)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,)


class SpecError(ValidationError):
    """A spec file that does not say what it must."""


class DataValueError(SaegeomError, ValueError):
    """Values that a metric cannot be computed on, such as NaN in a decoder."""


class NotFiniteError(DataValueError):
    """Values that are NaN, infinite or too large for any metric: the data is broken, and no part of it is measured."""


class ParameterError(SaegeomError, ValueError):
    """A parameter outside its range, or one that the data cannot serve."""


class MemoryLimitError(SaegeomError, MemoryError):
    """A plan that takes more memory than it may."""


# Names that an error lists; more of them would hide what it says.
_MOST_NAMES = 20


class UnknownNameError(SaegeomError, LookupError):
    """A name that nothing is registered under; offers the nearest ones.

    Parameters
    ----------
    what
        What has such names.
    name
        The name that is unknown.
    known
        Names that are known.
    listing
        How to list them, where they are too many for one line.
    """

    def __init__(self, what: str, name: str, known: Iterable[str], listing: str = "") -> None:
        known = sorted(known)
        self._arguments = (what, name, tuple(known), listing)
        listed = listing or f"known: {first_names(known, _MOST_NAMES) or 'none'}"
        super().__init__(f"no {what} is named {name!r}{suggest(name, known)}; {listed}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments


class StoreError(SaegeomError, OSError):
    """A store that cannot be read, is incomplete, or disagrees with its manifest."""


class TargetExistsError(StoreError, FileExistsError):
    """The place to write to is taken; nothing was written."""


class ReportError(SaegeomError, RuntimeError):
    """Results are whole, but no report could be made of them."""


class ClusterError(SaegeomError, RuntimeError):
    """A cluster that cannot compute a run: workers that differ, lack the data or died, or a scheduler that is gone."""


class MissingDependencyError(SaegeomError, ImportError):
    """An optional package is needed; the message names the extra to install."""


def first_names(names: Iterable[object], most: int) -> str:
    """Join the first of some names, and say how many others there are; empty for none.

    Examples
    --------
    >>> first_names(["layer_0", "layer_1", "layer_2"], 2)
    'layer_0, layer_1 and 1 more'
    """
    words = [str(name) for name in names]
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known names, or those that begin so, or an empty string.

    Examples
    --------
    >>> suggest("eigenvalue_slop", ["eigenvalue_slope", "lobes"])
    "; did you mean 'eigenvalue_slope'?"
    """
    known = list(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    near = near or [other for other in known if name and other.startswith(name)][:3]
    return f"; did you mean {' or '.join(repr(other) for other in near)}?" if near else ""


# pydantic says what it expects in words for programmers.
_PLAIN_WORDS = {
    "a valid integer": "an integer",
    "a valid number": "a number",
    "a valid string": "text",
    "a valid boolean": "true or false",
    "a valid list": "a list",
    "a valid array": "a list",
    "a valid tuple": "a list",
    "a valid dictionary": "keys and values",
    "an object": "keys and values",
}
_LONGEST_VALUE = 60


def expectation(*details: Mapping[str, Any]) -> str:
    """Say in one line what was got against what was expected, from pydantic's details on one value.

    pydantic gives a type and a message for each way in which the value does not fit; the message is the only place
    where it says what it expected of a union.

    Examples
    --------
    >>> expectation({"input": "ten", "msg": "Input should be a valid integer"})
    "got 'ten', expected an integer"
    """
    value = repr(details[0]["input"])
    if len(value) > _LONGEST_VALUE:
        value = f"{value[:_LONGEST_VALUE]}..."
    messages = [str(detail["msg"]).removeprefix("Value error, ") for detail in details]
    wanted = [
        message.removeprefix("Input should be ") for message in messages if message.startswith("Input should be ")
    ]
    if not wanted and isinstance(details[0]["input"], dict | list):
        return "; or ".join(messages)
    if not wanted:
        return f"got {value}: {'; or '.join(message[:1].lower() + message[1:] for message in messages)}"
    return f"got {value}, expected {' or '.join(dict.fromkeys(_PLAIN_WORDS.get(words, words) for words in wanted))}"


def require(module: str, extra: str) -> None:
    """Raise :class:`MissingDependencyError` unless ``module`` can be imported."""
    import importlib.util

    if importlib.util.find_spec(module) is None:
        raise MissingDependencyError(
            f"the package {module!r} is not installed; install it with: pip install 'saegeom-data[{extra}]'"
        )
