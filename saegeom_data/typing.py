"""Names of types that the whole package shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
"""A numpy array; its docstring says shape and dtype."""

Progress = Callable[[int, int], None]
"""Called with how many of how many parts are finished, from any thread."""
