"""How often random tests are repeated: a few times in every run, many times in ``make soak``."""

from __future__ import annotations

import os

SOAK = bool(os.environ.get("SAEGEOM_SOAK"))


def times(count: int, soak: int | None = None) -> int:
    return (soak or 20 * count) if SOAK else count
