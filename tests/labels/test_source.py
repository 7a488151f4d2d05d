"""Files of labels are read piece by piece, with their checksum and a bound on what they unpack to."""

from __future__ import annotations

import gzip
import hashlib
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from saegeom_data.errors import StoreError
from saegeom_data.labels import source
from saegeom_data.labels.source import LabelSource


def test_lines_are_read_without_the_file_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_PIECE_BYTES", 2**14)
    noise = np.random.default_rng(0).bytes(2**19).hex()
    rows = [{"text": noise[start : start + 4096]} for start in range(0, len(noise), 4096)]
    data = gzip.compress("".join(f"{json.dumps(row)}\n" for row in rows).encode())
    (tmp_path / "a.jsonl.gz").write_bytes(data)
    opened = LabelSource(str(tmp_path))
    tracemalloc.start()
    n_read = sum(row == rows[number] for number, (_, row) in enumerate(opened.objects("a.jsonl.gz")))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_read == len(rows)
    assert peak < len(data) / 2
    whole = LabelSource(str(tmp_path))
    whole.read("a.jsonl.gz")
    assert opened.sha256 == whole.sha256
    assert opened._read["a.jsonl.gz"]["sha256"] == hashlib.sha256(data).hexdigest()


def test_a_file_that_unpacks_to_more_than_allowed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 100))
    opened = LabelSource(str(tmp_path))
    assert len(list(opened.objects("a.jsonl.gz", 300))) == 100
    with pytest.raises(StoreError, match=r"a.jsonl.gz: more than 299 bytes once unpacked"):
        list(opened.objects("a.jsonl.gz", 299))
