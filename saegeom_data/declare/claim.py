"""What a metric tests: its null models, and claims that are held against them.

A claim is one statement about one SAE or site. It holds only if it is beyond every null model that it is held against,
because each explains something else: those of its metric, but for what the claim leaves out and names so. Findings are
worded from claims, and a report counts them together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Null:
    """A null model of a metric.

    Attributes
    ----------
    label
        Its name in results: that of a file of ``metrics/nulls``, or whatever another author calls it.
    words
        What readers call it, in the plural: ``"lobes shuffled among features"``.
    draws
        The parameter of the metric that sets the number of its draws; ``""`` for an exact or asymptotic law.
    is_dear
        Whether each draw is measured as the data are, so that draws take most of the time.
    """

    label: str
    words: str
    draws: str = ""
    is_dear: bool = False


@dataclass(frozen=True)
class NullTest:
    """A number of one row against one null model.

    Attributes
    ----------
    null
        The null model.
    p
        One-sided probability, under the null model, of a value at least as far on the side that is claimed; None where
        the null model was not run, or could not be.
    n_draws
        Draws behind ``p``; None for an exact or asymptotic law.
    mean
        Mean of the draws, or what the law expects.
    p_other
        The same probability for the other side, where the claim has one.
    deviation
        Standard deviation of the draws.
    is_left_out
        Whether the claim is not held against this null model of its metric, which does not explain it or has no such
        number. It then counts neither as run nor as not run.
    """

    null: Null
    p: float | None
    n_draws: int | None = None
    mean: float | None = None
    p_other: float | None = None
    deviation: float | None = None
    is_left_out: bool = False

    @property
    def least_p(self) -> float:
        """The least p that so many draws can give: 1 / (B + 1)."""
        return 0.0 if self.n_draws is None else 1 / (self.n_draws + 1)


@dataclass(frozen=True)
class Claim:
    """One statement about one SAE or site, as it was tested.

    Attributes
    ----------
    topic
        Short name of the question; claims of one topic are judged together, and one topic has one claim per row.
    row
        Name of the SAE or site.
    statement
        What is claimed: ``"lobes agree with clusters of decoder rows"``.
    tests
        One for each null model of the metric, those that were not run or that the claim leaves out included.
    opposite
        What holds on the other side, for claims with two sides: ``"neighbours are farther apart"``.
    value, low, high
        The number that is tested, and the ends of its interval.
    at
        Labels of the number along further dimensions of the output, where the claim is about these alone:
        ``{"n_lobes": 2}``.

    Examples
    --------
    >>> shuffled = Null("label_permutation", "lobes shuffled among features", "n_permutations")
    >>> redrawn = Null("fixed_margins", "lobes of occurrence redrawn", "n_redraws")
    >>> tests = (NullTest(shuffled, 0.001, 999), NullTest(redrawn, 0.05, 19))
    >>> Claim("agreement", "layer_0", "lobes are places in space", tests).p
    0.05
    """

    topic: str
    row: str
    statement: str
    tests: tuple[NullTest, ...]
    opposite: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    at: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def run(self) -> tuple[NullTest, ...]:
        """Tests that have a p."""
        return tuple(test for test in self.tests if test.p is not None)

    @property
    def not_run(self) -> tuple[Null, ...]:
        """Null models that the claim is held against, but without a p."""
        return tuple(test.null for test in self.tests if test.p is None and not test.is_left_out)

    @property
    def left_out(self) -> tuple[Null, ...]:
        """Null models of the metric that the claim is not held against."""
        return tuple(test.null for test in self.tests if test.is_left_out)

    @property
    def is_opposite(self) -> bool:
        """Whether the other side is the more likely to hold."""
        return bool(self.opposite) and self._largest(other=True) < self._largest(other=False)

    @property
    def p(self) -> float | None:
        """The p of the claim, None if no null model was run.

        The largest over the null models, so that it is small only if each of them is implausible (an intersection-union
        test, Berger 1982); doubled if there are two sides.
        """
        if not self.run:
            return None
        if not self.opposite:
            return self._largest(other=False)
        return min(1.0, 2 * min(self._largest(other=False), self._largest(other=True)))

    @property
    def p_error(self) -> float:
        """Monte Carlo standard error of ``p``: the largest over the tests that decide it."""
        return max((self._error_of(test) for test in self.run if self._p_of(test) == self.p), default=0.0)

    @property
    def p_possible(self) -> float | None:
        """The least p that further draws may well give: two Monte Carlo errors below ``p``, test by test."""
        if not self.run:
            return None
        return max(max(0.0, self._p_of(test) - 2 * self._error_of(test)) for test in self.run)

    def _p_of(self, test: NullTest) -> float:
        """Probability of one test on the side of the claim, doubled if there are two sides."""
        p = test.p_other if self.is_opposite else test.p
        return 1.0 if p is None else min(1.0, p * self.n_sides)

    def _error_of(self, test: NullTest) -> float:
        """Standard error of p = (b + 1) / (B + 1), which is binomial in B draws."""
        if test.n_draws is None:
            return 0.0
        p = self._p_of(test) / self.n_sides
        return self.n_sides * math.sqrt(p * (1 - p) / (test.n_draws + 1))

    @property
    def n_sides(self) -> int:
        """Sides that are tested: 1 or 2."""
        return 2 if self.opposite else 1

    def _largest(self, *, other: bool) -> float:
        values = [test.p_other if other else test.p for test in self.run]
        # A side that a test does not measure is never found.
        return max((1.0 if value is None else value for value in values), default=1.0)
