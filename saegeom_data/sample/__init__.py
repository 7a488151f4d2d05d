"""The bundled sample, and the generators of its mathematics worksheets."""

from __future__ import annotations

from pathlib import Path


def sample_path() -> Path:
    """Folder of the bundled sample: SAEs of every hidden state of all-MiniLM-L6-v2.

    Examples
    --------
    >>> sample_path().name
    'minilm-sample.zarr'
    """
    return Path(__file__).parent / "minilm-sample.zarr"
