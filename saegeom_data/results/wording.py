"""Write numbers as a reader expects them: few digits, true minus signs, no NaN."""

from __future__ import annotations

import math
from collections.abc import Sequence

ABSENT = "–"


def number(value: float | str | None, digits: int = 3) -> str:
    """Write a number with a sensible number of digits; a dash for what is absent.

    Parameters
    ----------
    value
        The number; strings pass through.
    digits
        Digits after the point, for numbers below 100 in size.

    Examples
    --------
    >>> number(-0.12345), number(362.6), number(1536), number(None)
    ('−0.123', '362.6', '1536', '–')
    """
    if value is None or isinstance(value, str):
        return value or ABSENT
    if not math.isfinite(value):
        return ABSENT
    # A float below 100 that happens to be whole keeps its digits, as its neighbours in a column do.
    if float(value).is_integer() and abs(value) < 1e7 and (isinstance(value, int) or abs(value) >= 100):
        return f"{int(value)}".replace("-", "−")
    if value and (abs(value) >= 1e5 or abs(value) < 10 ** -(digits + 2)):
        return f"{value:.2e}".replace("-", "−")
    shown = f"{value:.{digits if abs(value) < 100 else 1}f}"
    # What rounds to 0 has no sign.
    return shown.replace("-", "−") if float(shown) else shown.lstrip("-")


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """Write an interval.

    Examples
    --------
    >>> interval(-0.5, 1.25, 2)
    '[−0.50, 1.25]'
    """
    return f"[{number(low, digits)}, {number(high, digits)}]"


def probability(p: float | None) -> str:
    """Write a p-value with its sign of equality.

    Examples
    --------
    >>> probability(0.005), probability(0.00001), probability(0.42)
    ('p = 0.005', 'p < 0.001', 'p = 0.42')
    """
    if p is None or not math.isfinite(p):
        return f"p {ABSENT}"
    if p < 0.001:
        return "p < 0.001"
    # Three digits near the levels that decide, where 0.05 and 0.049 must be told apart.
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def listing(words: Sequence[str], joined_by: str = "and") -> str:
    """Write a list of words as prose.

    Examples
    --------
    >>> listing(["a", "b", "c"])
    'a, b and c'
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {joined_by} {words[-1]}"


def some(names: Sequence[str], most: int = 3) -> str:
    """Write a list of names, of which there may be hundreds, as prose: the first and how many others.

    Examples
    --------
    >>> some(["a", "b", "c", "d", "e"])
    'a, b, c and 2 others'
    """
    more = len(names) - most
    return listing([*names[:most], *([plural(more, "other")] if more > 0 else [])])


def plural(count: int, noun: str) -> str:
    """Write a count with its noun.

    Examples
    --------
    >>> plural(1, "layer"), plural(7, "layer")
    ('1 layer', '7 layers')
    """
    return f"{count} {noun}" + ("" if count == 1 else "s")


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Write the range of some values.

    Examples
    --------
    >>> spread([0.5, 0.25]), spread([0.5])
    ('0.250 to 0.500', '0.500')
    """
    low, high = number(min(values), digits), number(max(values), digits)
    return low if low == high else f"{low} to {high}"


def out_of(some: Sequence[object], all_of_them: Sequence[object], noun: str) -> str:
    """Write how many of a number of things.

    Examples
    --------
    >>> out_of([1], [1, 2, 3], "layer"), out_of([1, 2], [1, 2], "layer"), out_of([1], [1], "layer")
    ('1 of 3 layers', 'both layers', 'the one layer measured')
    >>> out_of([], [1, 2, 3], "layer"), out_of([], [1], "layer")
    ('none of 3 layers', 'no layer')
    """
    if not some:
        return f"none of {plural(len(all_of_them), noun)}" if len(all_of_them) > 1 else f"no {noun}"
    if len(some) < len(all_of_them):
        return f"{len(some)} of {plural(len(all_of_them), noun)}"
    if len(all_of_them) == 2:
        return f"both {noun}s"
    return f"all {plural(len(all_of_them), noun)}" if len(all_of_them) > 1 else f"the one {noun} measured"


def any_of(all_of_them: Sequence[object], noun: str) -> str:
    """Write that something holds at none of a number of things, after "not ... at".

    Examples
    --------
    >>> any_of([1, 2], "layer"), any_of([1], "layer")
    ('any layer', 'the one layer measured')
    """
    return f"any {noun}" if len(all_of_them) > 1 else out_of(all_of_them, all_of_them, noun)
