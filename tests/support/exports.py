"""Files of an export of Neuronpedia, of an SAE of GPT-2, and what their tests share."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# More than a batch has.
N_FEATURES = 1200
MODEL, SOURCE = "gpt2-small", "0-res-jb"


def lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A file of JSON lines, compressed; the same bytes each time."""
    return gzip.compress("".join(f"{json.dumps(row)}\n" for row in rows).encode(), mtime=0)


def folder_of(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write files into a folder, and return it."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder
