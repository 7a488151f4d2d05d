"""Generators of text: functions of installed packages, which a recipe may name because a package registers them.

A package registers a function in its metadata, under the group of entry points ``saegeom_data.generators``::

    [project.entry-points."saegeom_data.generators"]
    riddles = "my_package.riddles:riddles"

A spec then says ``generator: my_package.riddles:riddles``, or in short ``generator: riddles``. Whatever no installed
package registers is refused and never imported: a spec comes from anywhere, and must not choose what code runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from itertools import islice
from typing import Any

from saegeom_data.errors import DataValueError, MissingDependencyError, ParameterError, UnknownNameError
from saegeom_data.harvest.text.columns import without_nul
from saegeom_data.remote.files import reason

ENTRY_POINT_GROUP = "saegeom_data.generators"
_COLUMNS = ("document_id", "text")


def find_generator(name: str) -> metadata.EntryPoint:
    """Return the entry point of a generator, by its registered name or by ``module:function``; nothing is imported.

    Raises
    ------
    UnknownNameError
        If no installed package registers it; lists the registered ones and offers the nearest.
    ParameterError
        If packages register different functions under the name.

    Examples
    --------
    >>> find_generator("mathematics").value
    'saegeom_data.sample.mathematics:worksheets'
    """
    points = metadata.entry_points(group=ENTRY_POINT_GROUP)
    functions: dict[str, metadata.EntryPoint] = {}
    for point in points:
        if name in (point.name, point.value):
            # Of a package that is installed in two places the first one counts, as it does for imports.
            functions.setdefault(point.value, point)
    if not functions:
        known = {word for point in points for word in (point.name, point.value)}
        raise UnknownNameError("generator of an installed package", name, known)
    if len(functions) > 1:
        raise ParameterError(
            f"generator {name!r}: several packages register this name; give one of {', '.join(sorted(functions))}"
        )
    return next(iter(functions.values()))


def generator_state(name: str) -> list[str]:
    """Return what may change of a generator while the recipe stays: the function, and the version of its package."""
    point = find_generator(name)
    return [point.value, *([point.dist.name, point.dist.version] if point.dist is not None else [])]


def generated_rows(name: str, documents: int, seed: int, start: int = 0) -> Iterator[dict[str, Any]]:
    """Yield ``document_id`` and ``text`` of generated documents, from the one numbered ``start``.

    The function is called as ``function(documents, seed)`` and yields one mapping per document, in the same order each
    time, so that a stopped build goes on where it was.

    Raises
    ------
    UnknownNameError, ParameterError
        As in :func:`find_generator`.
    MissingDependencyError
        If the function cannot be imported.
    DataValueError
        If it yields something else than documents.

    Examples
    --------
    >>> [row["document_id"] for row in generated_rows("mathematics", documents=3, seed=0, start=1)]
    ['mathematics/0001', 'mathematics/0002']
    """
    point = find_generator(name)
    try:
        function = point.load()
    except Exception as error:  # importing a module runs its code, which may raise anything
        raise MissingDependencyError(
            f"generator {name!r}: {point.value} cannot be imported: {reason(error)}; install its package again"
        ) from error
    for row in islice(function(documents, seed), start, None):
        if not isinstance(row, dict) or not all(isinstance(row.get(column), str) for column in _COLUMNS):
            raise DataValueError(
                f"generator {name!r}: got {str(row)[:60]!r}, expected documents with the keys document_id and text"
            )
        without_nul(row["text"], f"generator {name!r}: {row['document_id']}")
        yield row
