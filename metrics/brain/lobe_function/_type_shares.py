"""Document types: which of them are code or mathematics, and how far one lobe wins those."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saegeom_data.declare.group import Group

_TECHNICAL = re.compile(r"code|math|python|github|stack|algebra|arithmetic|calculus|program", re.IGNORECASE)


@dataclass(frozen=True)
class Shares:
    """How one lobe divides document types at one layer.

    Attributes
    ----------
    lobe
        The lobe that wins most of the technical types' blocks.
    technical, prose
        Share of the blocks of each type that it wins, by type.
    """

    lobe: int
    technical: dict[str, float]
    prose: dict[str, float]

    @property
    def technical_mean(self) -> float:
        """Mean share over technical types."""
        return float(np.mean(list(self.technical.values())))

    @property
    def prose_mean(self) -> float:
        """Mean share over the other types."""
        return float(np.mean(list(self.prose.values())))

    @property
    def separates(self) -> bool:
        """Whether it wins most blocks of every technical type and of no other."""
        return min(self.technical.values()) > 0.5 > max(self.prose.values())


def is_technical(name: str) -> bool:
    """Whether the name of a document type says that it is code or mathematics.

    Examples
    --------
    >>> is_technical("python_code"), is_technical("reviews")
    (True, False)
    """
    return bool(_TECHNICAL.search(name))


def shares(group: Group, row: str, count: int) -> Shares | None:
    """Divide the winner shares of a ``lobe_function`` result; None unless there are types of both kinds.

    Parameters
    ----------
    group
        The result.
    row
        Name of the SAE.
    count
        Number of lobes.
    """
    table, names = winner_shares(group, row, count)
    # A type without a block has no winner.
    known = [i for i in range(len(names)) if np.isfinite(table[:, i]).all()]
    technical = [i for i in known if is_technical(names[i])]
    prose = [i for i in known if i not in technical]
    if not technical or not prose:
        return None
    lobe = int(table[:, technical].mean(axis=1).argmax())
    return Shares(
        lobe, {names[i]: float(table[lobe, i]) for i in technical}, {names[i]: float(table[lobe, i]) for i in prose}
    )


def winner_shares(group: Group, row: str, count: int) -> tuple[np.ndarray, Sequence[str]]:
    """Winner shares (lobes, types) of one layer for a number of lobes, and the names of the types."""
    table = group.data["winner_share"].isel({group.over: group.rows.index(row)}).sel(n_lobes=count)
    values = table.transpose("lobes", "document_type").values[:count]
    return np.asarray(values, dtype=float), [str(name) for name in group.data["document_type"].values]
