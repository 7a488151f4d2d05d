"""Libraries that define formats of SAEs, loaded when a test first asks: loading one takes longer than most tests do."""

from __future__ import annotations

import gc
import sys
import warnings
from typing import Any

import pytest


def library(name: str) -> Any:
    """A library, or one module of it; the test that asks is skipped where it is not installed."""
    if name in sys.modules:
        return sys.modules[name]
    with warnings.catch_warnings():
        # sae-lens imports deprecated names of TransformerLens and others.
        warnings.simplefilter("ignore")
        found = pytest.importorskip(name)
    # It stays, as what was imported before all tests.
    gc.freeze()
    return found
