"""Co-occurrence counts beside their peers (P1)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numba
import numpy as np
from case import Array, Case, Peer

from saegeom_data.metrics._kernels import bits

DENSITY = 0.08
# The authors' loop adds one outer product a block; all of it would take hours.
OUTER_BLOCKS = 4


def _codes(folder: Path, *, n_blocks: int, n_features: int) -> Any:
    """CSR codes of blocks, with log-normal rates as those of SAEs are."""
    import scipy.sparse as sp

    rng = np.random.default_rng(0)
    rate = np.exp(rng.standard_normal(n_features))
    rate = np.minimum(rate * DENSITY / rate.mean(), 0.95).astype(np.float32)
    rows = [
        sp.csr_matrix(rng.random((min(512, n_blocks - start), n_features), dtype=np.float32) < rate)
        for start in range(0, n_blocks, 512)
    ]
    return sp.vstack(rows, format="csr").astype(np.float32)


def _counts(codes: Any) -> Array:
    import xarray as xr

    from saegeom_data.metrics import cooccurrence

    # Dense in booleans, never in floats.
    sae = xr.Dataset({"occurrence": (("blocks", "features"), codes.astype(bool).toarray())})
    return np.asarray(cooccurrence(sae).n_blocks_both.values)


def _scipy_product(codes: Any) -> Array:
    on = codes.astype(bool).astype(np.int32)
    return np.asarray((on.T @ on).toarray())


def _single_product(codes: Any) -> Array:
    on = codes.astype(bool).astype(np.float32).toarray()
    return np.asarray((on.T @ on).astype(np.int32))


def _byte_product(codes: Any) -> Array:
    import torch

    # It has no fast path without VNNI, so that all of it would take many minutes: an eighth of the rows will do.
    on = torch.from_numpy(codes.astype(bool).toarray().astype(np.int8))
    return np.asarray(torch._int_mm(on.T[: len(on.T) // 8].contiguous(), on).numpy())


def _outer_products(codes: Any) -> Array:
    total = np.zeros((codes.shape[1],) * 2, np.int32)
    for row in codes[:OUTER_BLOCKS].astype(bool).toarray():
        total += np.outer(row, row)
    return total


def _packed(codes: Any) -> Array:
    """Rows of bits (features, bytes), as NumKong reads them."""
    return bits.pack(codes.astype(bool).toarray()).view(np.uint8)


def _by_stripe(n: int, product: Any) -> None:
    """Call ``product`` with stripes of rows, on all cores, in stripes so narrow that cores end together."""
    from dask.system import CPU_COUNT

    with ThreadPoolExecutor(CPU_COUNT) as pool:
        list(pool.map(lambda start: product(start_row=start, end_row=min(start + 256, n)), range(0, n, 256)))


def _numkong_symmetric(codes: Any) -> Array:
    import numkong

    packed = _packed(codes)
    total = numkong.zeros((len(packed),) * 2, dtype="uint32")
    _by_stripe(len(packed), partial(numkong.dots_symmetric, packed, dtype="uint1", out=total))
    return np.asarray(total)


def _numkong_packed(codes: Any) -> Array:
    import numkong

    packed = _packed(codes)
    total = numkong.zeros((len(packed),) * 2, dtype="uint32")
    _by_stripe(len(packed), partial(numkong.dots_packed, packed, numkong.dots_pack(packed, "uint1"), out=total))
    return np.asarray(total)


def _equal(ours: Array, theirs: Array) -> None:
    np.testing.assert_array_equal(ours, theirs)


def _equal_part(ours: Array, theirs: Array) -> None:
    np.testing.assert_array_equal(ours[: len(theirs)], theirs)


def _equal_above_diagonal(ours: Array, theirs: Array) -> None:
    np.testing.assert_array_equal(np.triu(ours), np.triu(theirs))


def _not_below(ours: Array, theirs: Array) -> None:
    assert (ours >= theirs).all()
    assert theirs.any()


_add_counts = bits._add_counts


@numba.njit(nogil=True)
def _spin(left: Array, right: Array, sums: Array, times: int) -> None:
    for _ in range(times):
        _add_counts(left, 0, right, 0, left.shape[1] // 16, sums, 0)


def popcount_share(codes: Any, seconds: float) -> str:
    """The share of this machine's AND-popcount limit that counting reached, in words."""
    from dask.system import CPU_COUNT

    rng = np.random.default_rng(0)
    # One row against four of 256 words: 10 KB, which stay in the first-level cache however often they are counted.
    left, right = (rng.integers(2**63, size=(1, 256, lanes), dtype=np.uint64) for lanes in (1, 4))

    def spin(times: int) -> None:
        _spin(left, right, np.zeros((1, 4), np.int32), times)

    spin(1)
    times = 200_000
    with ThreadPoolExecutor(CPU_COUNT) as pool:
        started = time.perf_counter()
        list(pool.map(spin, [times] * CPU_COUNT))
        limit = CPU_COUNT * times * 256 * 4 / (time.perf_counter() - started)
    n_blocks, n = codes.shape
    reached = n * (n + 1) / 2 * -(-n_blocks // 64) / seconds
    return (
        f"{reached / 1e9:.1f} of {limit / 1e9:.1f} thousand million AND-popcounts of 64 bits a second, "
        f"{reached / limit:.0%} (target 40%)"
    )


CASES = {
    "P1": Case(
        "co-occurrence counts, from CSR (`cooccurrence`)",
        {"n_blocks": 700, "n_features": 300},
        {"n_blocks": 8192, "n_features": 16_384},
        _codes,
        _counts,
        {
            "`scipy.sparse` product": Peer(_scipy_product, 150, _equal),
            "float32 product": Peer(_single_product, 25, _equal),
            "int8 product (`torch._int_mm`), an eighth of it": Peer(
                _byte_product, 4, _equal_part, share=1 / 8, needs="torch"
            ),
            "NumKong, symmetric product of bits": Peer(_numkong_symmetric, 2, _equal_above_diagonal, needs="numkong"),
            # It counts every pair twice.
            "NumKong, packed product of bits": Peer(_numkong_packed, 2, _equal, needs="numkong"),
            "outer product a block": Peer(_outer_products, 1000, _not_below, share=OUTER_BLOCKS / 8192),
        },
        note=popcount_share,
    ),
}
