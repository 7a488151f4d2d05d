"""What the stages of a graph compute, counted by kinds of work that a machine does at rates of their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from math import log2

# Decompositions of small matrices take as long as if they had so many rows times their squares more.
_SQUARES = 200


@dataclass(frozen=True)
class Work:
    """What a stage computes in all: over its chunks or tiles, draws and restarts.

    A count is an estimate; it is good to some tens of percent where it is most of the stage. Reading is not counted,
    because stages know what they read. How many of each kind a machine does in a second is measured by
    :mod:`saegeom_data.engine.rates`.

    Parameters
    ----------
    products
        Multiplications of products of float64 matrices, each with its addition; of float32 one counts half, and so do
        those of a matrix with itself.
    cubes
        What decompositions of matrices take; see :func:`eigen`.
    passes
        Bytes that operations on arrays larger than the cache read and write, such as the sum of two.
    functions
        Values of logarithms, exponentials, powers and the like.
    normals
        Standard normal numbers that are drawn.
    sorting
        Comparisons of sorting with places: n log2 n for n numbers, n for a partition or a histogram of them.
    words
        Words of 64 bits whose bits are joined and counted.
    steps
        Steps of compiled loops that branch, or that wait for the step before.
    calls
        Calls from Python of functions of numpy on a few numbers; one of scikit-learn or scipy is tens of them.
    spread
        Whether the stage keeps all cores busy by threads of its own, as :func:`saegeom_data.lazy.each` does.

    Examples
    --------
    >>> both = 3 * Work(products=10) + Work(products=2, calls=1)
    >>> both.products, both.calls
    (32, 1)
    """

    products: float = 0
    cubes: float = 0
    passes: float = 0
    functions: float = 0
    normals: float = 0
    sorting: float = 0
    words: float = 0
    steps: float = 0
    calls: float = 0
    spread: bool = False

    def __add__(self, other: Work) -> Work:
        """Both, one after the other; spread if either is."""
        sums = {kind: getattr(self, kind) + getattr(other, kind) for kind in KINDS}
        return Work(**sums, spread=self.spread or other.spread)

    def __mul__(self, times: float) -> Work:
        """The same so many times."""
        return Work(**{kind: times * getattr(self, kind) for kind in KINDS}, spread=self.spread)

    __rmul__ = __mul__


KINDS = tuple(field.name for field in fields(Work) if field.name != "spread")
"""Kinds of work, each with a rate of its own."""


def total(parts: Iterable[Work]) -> Work:
    """All of ``parts``, one after the other."""
    return sum(parts, Work())


def eigen(n: float) -> Work:
    """Eigenvalues and eigenvectors of a symmetric n x n matrix: n ** 3 + 200 n ** 2 cubes.

    The second term is what small matrices take more. Eigenvalues alone are 0.4 of it, singular values with vectors
    twice it.

    Examples
    --------
    >>> eigen(100).cubes
    3000000
    """
    return Work(cubes=n**3 + _SQUARES * n**2)


def ordering(n: float) -> float:
    """Comparisons that sorting n numbers takes: n log2 n.

    Examples
    --------
    >>> ordering(8), ordering(0)
    (24.0, 0.0)
    """
    return n * log2(n) if n > 1 else 0.0
