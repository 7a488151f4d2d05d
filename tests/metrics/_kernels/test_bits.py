from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from saegeom_data.metrics._kernels.bits import count, count_bytes, pack

# Around words of 64 bits, rounds of 16 words (1,024) and pieces of 256 words (16,384).
EDGES = [1, 2, 63, 64, 65, 127, 128, 1023, 1024, 1025, 16_384, 16_449, 33_000]


def occurrence(n_blocks: int, n_features: int, density: float = 0.3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n_blocks, n_features)) < density


def by_scipy(on: np.ndarray) -> np.ndarray:
    sparse = sp.csr_matrix(on.astype(np.int32))
    return (sparse.T @ sparse).toarray()


@pytest.mark.parametrize("n_blocks", EDGES)
def test_counts_are_those_of_scipy_for_any_number_of_blocks(n_blocks):
    on = occurrence(n_blocks, 37)
    np.testing.assert_array_equal(count(pack(on)), by_scipy(on))


# Around groups of four features, and of 128 rows.
@pytest.mark.parametrize("n_features", [1, 3, 4, 5, 64, 127, 128, 129, 300])
def test_counts_are_those_of_scipy_for_any_number_of_features(n_features):
    on = occurrence(700, n_features)
    np.testing.assert_array_equal(count(pack(on)), by_scipy(on))


@given(
    n_blocks=st.integers(1, 3000),
    n_features=st.integers(1, 40),
    cut=st.integers(0, 40),
    density=st.sampled_from([0.0, 0.01, 0.5, 0.99, 1.0]),
    seed=st.integers(0, 9),
)
def test_two_sets_of_features_meet_as_in_the_whole(n_blocks, n_features, cut, density, seed):
    on = occurrence(n_blocks, n_features, density, seed)
    first, second = pack(on)[:cut], pack(on)[cut:]
    np.testing.assert_array_equal(count(first, second), by_scipy(on)[:cut, cut:])


@pytest.mark.parametrize("always", [0, 1, 2, 3, 4])
def test_features_never_and_always_on_are_exact(always):
    on = occurrence(4097, 9)
    on[:, always], on[:, 8 - always] = True, always == 4
    got = count(pack(on))
    assert got[always, always] == 4097
    np.testing.assert_array_equal(got[always], on.sum(axis=0))
    np.testing.assert_array_equal(got, by_scipy(on))


def test_every_adder_carries():
    # All ones fill every level of the carry-save adder and what is left over in each.
    for n_blocks in range(1, 64 * 40, 61):
        on = np.ones((n_blocks, 5), bool)
        assert (count(pack(on)) == n_blocks).all()


def test_packed_pieces_may_be_put_side_by_side():
    on = occurrence(331, 11)
    pieces = [pack(on[start : start + 70]) for start in range(0, 331, 70)]
    np.testing.assert_array_equal(count(np.concatenate(pieces, axis=1)), by_scipy(on))


def test_bits_stand_where_they_are_said_to():
    on = occurrence(130, 3)
    bits = pack(on)
    for block in range(130):
        where = (bits[:, block // 64] >> np.uint64(block % 64)) & np.uint64(1)
        np.testing.assert_array_equal(where.astype(bool), on[block])


def test_layouts_and_slices_of_memory_change_nothing():
    on = occurrence(200, 12)
    bits = pack(on)
    np.testing.assert_array_equal(pack(np.asfortranarray(on)), bits)
    np.testing.assert_array_equal(count(bits[::2], bits[1::3]), by_scipy(on)[::2, 1::3])


def test_stated_bytes_hold_what_counting_allocates():
    import tracemalloc

    bits = pack(occurrence(9000, 600, 0.1))
    count(bits, bits[:300])
    tracemalloc.start()
    count(bits, bits[:300])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    stated = count_bytes(600, 300, bits.shape[1])
    assert peak <= stated <= 1.2 * peak
