"""Cells of a table as structured data, and how each kind of reader gets them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from saegeom_data.declare.presentation import Value
from saegeom_data.results.wording import ABSENT, interval, number, probability


@dataclass(frozen=True)
class Quantity:
    """One number of a cell.

    Attributes
    ----------
    value
        The number, a text, or None where there is none.
    interval
        Ends of its interval.
    label, after
        What is written before and after it where it stands behind another number.
    digits
        Digits after the point, for numbers below 100 in size.
    style
        ``"number"``, ``"percent"`` or ``"p"``.
    """

    value: Value
    interval: tuple[float, float] | None = None
    label: str = ""
    after: str = ""
    digits: int = 3
    style: Literal["number", "percent", "p"] = "number"

    def __str__(self) -> str:
        if self.value is None:
            return ABSENT
        if isinstance(self.value, str):
            words = self.value
        elif self.style == "p":
            words = self._p(float(self.value))
        else:
            words = f"{self.value:.0%}" if self.style == "percent" else number(self.value, self.digits)
        return " ".join(part for part in (self.label if self.style != "p" else "", words, self.after) if part)

    def _p(self, value: float) -> str:
        """``p = 0.03``, or with another name in place of p."""
        return probability(value) if not self.label else f"{self.label} {number(value, self.digits)}"


@dataclass(frozen=True)
class Cell:
    """A cell: its values, and the numbers that stand behind them.

    Attributes
    ----------
    values
        One number, or several that are read together.
    behind
        Numbers of the null model, p, ceilings; those that are absent are left out.
    between
        What stands between several values.

    Examples
    --------
    >>> str(Cell((Quantity(-0.5, (-0.6, -0.4)),), (Quantity(-0.2, label="null"), Quantity(0.025, style="p"))))
    '−0.500 [−0.600, −0.400] (null −0.200, p = 0.025)'
    """

    values: tuple[Quantity, ...]
    behind: tuple[Quantity, ...] = ()
    between: str = " → "

    @property
    def main(self) -> str:
        """The values alone; a dash if one of them is absent."""
        if any(quantity.value is None for quantity in self.values):
            return ABSENT
        return self.between.join(map(str, self.values))

    @property
    def details(self) -> list[str]:
        """What stands behind the values, each piece in one text: intervals, null, p, notes."""
        if self.main == ABSENT:
            return []
        return [*self._intervals(), *self._behind()]

    def _intervals(self) -> list[str]:
        return [interval(*quantity.interval) for quantity in self.values if quantity.interval is not None]

    def _behind(self) -> list[str]:
        return [
            f"{quantity} {interval(*quantity.interval)}" if quantity.interval is not None else str(quantity)
            for quantity in self.behind
            if quantity.value is not None
        ]

    def __str__(self) -> str:
        if self.main == ABSENT:
            return ABSENT
        behind = self._behind()
        return " ".join([self.main, *self._intervals(), *([f"({', '.join(behind)})"] if behind else [])])


def cell_of(value: Value) -> Cell:
    """A cell of one value."""
    return Cell((Quantity(value),))


def markdown_row(cells: Sequence[object]) -> str:
    """A row of a Markdown table, of texts that cannot end their cell or the row."""
    # Names come from data: a bar would end the cell, a line break the row, and a tag would be rendered.
    texts = [str(cell).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;") for cell in cells]
    return f"| {' | '.join(texts)} |"
