"""``NAME=VALUE`` as users write it after an option."""

from __future__ import annotations

from saegeom_data.errors import ParameterError


def name_and_value(text: str, option: str, expected: str) -> tuple[str, str]:
    """Read ``NAME=VALUE`` that the user gave to an option.

    Raises
    ------
    ParameterError
        If it is not of that form; names the option.
    """
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ParameterError(f"{option}: got {text!r}, expected {expected}")
    return name, value
