"""The page of errors: every class, an example that raises it, and what to do."""

from __future__ import annotations

from saegeom_data.guide.pages import docstrings
from saegeom_data.guide.pages.error_cases import CASES, Case
from saegeom_data.guide.pages.markdown import code, join, prose, section, table

_INTRODUCTION = """\
Every error says in one line what is wrong, where, what was found against what was expected, and how to mend it. All
inherit `SaegeomError`, and each the builtin that fits it, so that code may catch either. On the command line they are
lines that begin with `error:`, and the exit status is 2; `--traceback` shows where in the source they come from."""


def errors_page() -> str:
    """Write the page of errors."""
    lines = [
        (f"[`{case.error.__name__}`](#{case.error.__name__.lower()})", _builtin(case), prose(_summary(case)))
        for case in CASES
    ]
    return join(
        ["# Errors", _INTRODUCTION, table(("error", "is also", "means"), lines), *(_case(case) for case in CASES)]
    )


def _summary(case: Case) -> str:
    return docstrings.of(case.error).summary


def _builtin(case: Case) -> str:
    """The builtin that an error inherits."""
    found = [parent for parent in case.error.__mro__ if parent.__module__ == "builtins"]
    return f"`{found[0].__name__}`"


def _case(case: Case) -> str:
    name = case.error.__name__
    shown = f"{name}: " + case.message.replace("\n", "\n    ")
    return section(name, prose(_summary(case)), code(case.example), code(shown, "text"), prose(case.remedy))
