"""Libraries that define formats of SAEs, loaded when a test first asks: loading one takes longer than most tests do."""

from __future__ import annotations

import warnings
from typing import Any

import pytest


def library(name: str) -> Any:
    """A library, or one module of it; the test that asks is skipped where it is not installed."""
    with warnings.catch_warnings():
        # sae-lens imports deprecated names of TransformerLens and others.
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)
