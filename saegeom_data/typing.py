"""Names of types that the whole package shares; importing this module imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
"""A numpy array; docstrings say shape and dtype."""

Progress = Callable[[int, int], None]
"""Called with how many of how many parts are finished, from any thread."""
