"""Codes of trained SAEs are kept in the precision of the activations that they are of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from saegeom_data.harvest.saes.encode_trained import encode_site, encoded_codes, encoded_occurrence
from saegeom_data.harvest.text.sequences import SequenceTable

SEQUENCES, LENGTH, HIDDEN = 6, 4, 5


@dataclass(frozen=True)
class Given:
    """Activations of six sequences, in memory."""

    values: np.ndarray[Any, Any]
    table: SequenceTable

    @property
    def dtype(self) -> str:
        return str(self.values.dtype)

    def shards(self) -> Any:
        yield slice(0, SEQUENCES), self.values


class Rectifier:
    """An SAE whose features are the dimensions themselves, where they are positive."""

    W_dec = torch.eye(HIDDEN)

    def encode(self, x: Any) -> Any:
        return x.relu()

    def decode(self, codes: Any) -> Any:
        return codes


@pytest.mark.parametrize(("dtype", "largest"), [("float16", 6e4), ("float32", 1e5)])
def test_codes_have_the_precision_of_activations(tmp_path: Path, dtype: str, largest: float) -> None:
    values = np.random.default_rng(0).standard_normal((SEQUENCES, LENGTH, HIDDEN)).astype(dtype)
    values[1, 2, 3] = largest
    special = np.zeros((SEQUENCES, LENGTH), bool)
    special[:, 0] = True
    held, document = np.arange(SEQUENCES) == 5, np.zeros(SEQUENCES, np.int32)
    table = SequenceTable(np.zeros((SEQUENCES, LENGTH), np.int32), special, document, ["a"], ["note"], held, {})
    facts = encode_site(tmp_path, Given(values, table), Rectifier(), np.array([1, 4]))  # type: ignore[arg-type]
    codes = encoded_codes(tmp_path, dtype)
    expected = np.where(special[..., None], 0, np.maximum(values, 0))
    kept = expected[[1, 4]].reshape(-1, HIDDEN)
    assert codes["data"].dtype == dtype
    np.testing.assert_array_equal(codes["data"], kept[kept > 0])
    np.testing.assert_array_equal(codes["counts"], (kept > 0).sum(axis=1))
    np.testing.assert_array_equal(encoded_occurrence(tmp_path), (expected > 0).any(axis=1))
    assert facts["l0"] == np.count_nonzero(expected) / (SEQUENCES * (LENGTH - 1))
