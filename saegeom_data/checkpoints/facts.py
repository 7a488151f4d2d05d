"""Facts that a user states of checkpoints: one value for all, or values by patterns of the files' names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from saegeom_data.errors import ParameterError

Fact = str | int | float | Mapping[str, Any] | None


def fact_for(file: str, fact: Fact) -> Any:
    """Value of a fact for one file: that of the last pattern that fits its name, or the one value for all.

    A pattern that is the name itself fits it, whatever signs are in it.
    """
    if not isinstance(fact, Mapping):
        return fact
    fitting = [value for pattern, value in fact.items() if file == pattern or fnmatchcase(file, pattern)]
    return fitting[-1] if fitting else None


def refuse_unused(facts: Mapping[str, Fact], files: Iterable[str]) -> None:
    """Raise :class:`ParameterError` for a pattern that fits no file: what it states would be without effect."""
    names = list(files)
    for name, fact in facts.items():
        for pattern, value in fact.items() if isinstance(fact, Mapping) else ():
            if all(fact_for(file, {pattern: True}) is None for file in names):
                shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
                raise ParameterError(f"--{name}: {pattern!r} (for {value}) fits none of the files ({shown}); fix it")
