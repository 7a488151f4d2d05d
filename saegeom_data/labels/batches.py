"""What layouts of numbered batches share: whether all batches are there, and words for lists of tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable

from saegeom_data.errors import DataValueError, first_names
from saegeom_data.labels.found import text_of

_SHOWN = 8


def batches_of(names: Iterable[str], pattern: str, where: str, *, is_partial: bool) -> list[str]:
    r"""Names of the batches of a folder in the order of their numbers.

    Parameters
    ----------
    names
        Names of all files.
    pattern
        Regular expression of the names of batches, with the number as its first group.
    where
        What messages call the folder.
    is_partial
        Whether batches may be missing.

    Raises
    ------
    DataValueError
        If a number is missing, or there twice.

    Examples
    --------
    >>> batches_of(["batch-10.json", "batch-9.json"], r"batch-(\d+)[.]json", "mine", is_partial=True)
    ['batch-9.json', 'batch-10.json']
    """
    numbered: dict[int, str] = {}
    for name in names:
        if found := re.fullmatch(pattern, name):
            number = int(found[1])
            if number in numbered:
                raise DataValueError(
                    f"{where}: batch {number} is there twice, as {numbered[number]} and {name}; remove one"
                )
            numbered[number] = name
    # From 0: a batch that is missing at the start is found too; of one at the end nothing tells.
    missing = [number for number in range(max(numbered, default=-1) + 1) if number not in numbered]
    if missing and not is_partial:
        listed = first_names(missing, _SHOWN)
        raise DataValueError(f"{where}: batches {listed} are missing; fetch them, or give --partial to do without")
    return [numbered[number] for number in sorted(numbered)]


def listed_tokens(what: str, tokens: Iterable[object], most: int = 6) -> str:
    """A description from tokens, each once; empty if there are none.

    Examples
    --------
    >>> listed_tokens("fires on", [" river", " river", " lake"])
    'fires on “ river”, “ lake”'
    """
    different = [token for token in dict.fromkeys(map(text_of, tokens)) if token][:most]
    return f"{what} {', '.join(f'“{token}”' for token in different)}" if different else ""
