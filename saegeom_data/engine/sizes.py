"""Sizes in bytes as people write and read them, and the lines of plans in which they stand."""

from __future__ import annotations

from saegeom_data.errors import ParameterError

_LABEL_WIDTH = 9
_LEAST = 2**20


def parse_size(text: str, what: str = "memory limit") -> int:
    """Read a size such as ``2GB``, ``1.5 GiB`` or ``500000000``.

    Raises
    ------
    ParameterError
        If it is no size above 0; names ``what`` it is of.

    Examples
    --------
    >>> parse_size("2GB"), parse_size("1.5 GiB")
    (2000000000, 1610612736)
    """
    from dask.utils import parse_bytes

    try:
        # A unit alone is one of it to dask, and nothing at all is one byte.
        size = int(parse_bytes(text)) if any(map(str.isdigit, text)) else 0
    except (ValueError, OverflowError):
        size = 0
    if size <= 0:
        raise ParameterError(f"{what}: got {text!r}, expected a size such as 2GB, 1.5GiB or 500MB")
    # Nobody means some bytes: a number without a unit, or with one of them forgotten.
    if size < _LEAST and text.strip().replace(".", "", 1).isdigit():
        raise ParameterError(f"{what}: got {text!r}, which is {size} bytes; did you mean {text.strip()}GB?")
    return size


def size_text(n_bytes: float) -> str:
    """Write a size for a person.

    Examples
    --------
    >>> size_text(1_610_612_736), size_text(512)
    ('1.50 GiB', '512 B')
    """
    from dask.utils import format_bytes

    return str(format_bytes(int(n_bytes)))


def plan_line(what: str, text: str) -> str:
    """One line of a plan, of a run as of a build or a benchmark: what, and how much or which.

    Examples
    --------
    >>> plan_line("memory", "1.50 GiB at most")
    'memory   1.50 GiB at most'
    """
    return f"{what:<{_LABEL_WIDTH}}{text}"
