"""What a search for neighbours states as its work is what it does."""

import numpy as np
import pytest

from saegeom_data.metrics._kernels.nearest import nearest_work


def test_the_work_of_a_search_is_that_of_rows_that_come_within_reach():
    n, d, k = 400, 8, 20
    rows = np.random.default_rng(0).standard_normal((n, d))
    distance = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    counted = 0
    for i in range(n):
        nearest_so_far = np.full(k, np.inf)
        for j in range(n):
            if j != i and distance[i, j] < nearest_so_far[-1]:
                counted += 1
                nearest_so_far = np.sort(np.append(nearest_so_far[:-1], distance[i, j]))
    # Steps for each coordinate of each row come on top of those for each row that came within reach.
    of_one = 20 + 0.5 * k + 0.12 * d
    assert (nearest_work(n, d, k).steps - 2 * n * d) / of_one == pytest.approx(counted, rel=0.05)
