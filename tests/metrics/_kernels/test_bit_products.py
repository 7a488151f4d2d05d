"""Products of bits with columns, and of their transpose, against numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from saegeom_data.metrics._kernels import bit_products
from saegeom_data.metrics._kernels.bit_products import padded, products_bytes, times, times_transposed
from saegeom_data.metrics._kernels.bits import WORD, pack


def bits_of(n: int, n_blocks: int, density: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Bits as packed, and as a matrix (n, places) of whole words."""
    on = np.random.default_rng((n, n_blocks)).random((n_blocks, n)) < density
    bits = pack(on)
    matrix = np.zeros((n, bits.shape[1] * WORD))
    matrix[:, :n_blocks] = on.T
    return bits, matrix


# Around words, vectors of sixteen columns, and no bits at all.
@pytest.mark.parametrize("n_blocks", [1, 63, 64, 65, 700])
@pytest.mark.parametrize("n_columns", [1, 16, 17, 40])
def test_products_are_those_of_numpy(n_blocks: int, n_columns: int) -> None:
    bits, matrix = bits_of(37, n_blocks)
    columns = np.random.default_rng(0).standard_normal((37, n_columns))
    sums = times_transposed(bits, padded(columns))
    np.testing.assert_allclose(sums[:, :n_columns], matrix.T @ columns, rtol=0, atol=1e-12)
    assert not sums[:, n_columns:].any()
    image = times(bits, sums)
    np.testing.assert_allclose(image[:, :n_columns], matrix @ matrix.T @ columns, rtol=0, atol=1e-10)


@pytest.mark.parametrize("density", [0.0, 1.0])
def test_rows_without_and_with_all_bits(density: float) -> None:
    bits, matrix = bits_of(5, 130, density)
    columns = np.arange(5.0)[:, None]
    sums = times_transposed(bits, padded(columns))
    np.testing.assert_array_equal(sums[:, 0], matrix.T @ columns[:, 0])
    np.testing.assert_array_equal(times(bits, sums)[:, 0], matrix @ (matrix.T @ columns[:, 0]))


def test_products_depend_neither_on_threads_nor_on_what_stays_in_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    bits, _ = bits_of(300, 2000)
    columns = padded(np.random.default_rng(1).standard_normal((300, 20)))
    found = []
    # One word of 64 places at a time, and all of them; rows in pieces, and all of them.
    for n_cores, cache, rows in ((1, 1 << 20, 4096), (3, 1, 64), (2, 1 << 30, 7)):
        monkeypatch.setattr("dask.system.CPU_COUNT", n_cores)
        monkeypatch.setattr(bit_products, "_CACHE", cache)
        monkeypatch.setattr(bit_products, "_ROWS", rows)
        sums = times_transposed(bits, columns)
        found.append((sums, times(bits, sums)))
    for alone, *others in zip(*found, strict=True):
        for other in others:
            np.testing.assert_array_equal(alone, other)


def test_memory_is_as_stated() -> None:
    columns = padded(np.zeros((300, 20)))
    sums = np.zeros((32 * WORD, 32))
    assert products_bytes(300, 32, 20) == columns.nbytes + sums.nbytes + np.zeros((300, 32)).nbytes
