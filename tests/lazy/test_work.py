from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from saegeom_data import lazy
from saegeom_data.lazy import KINDS, Memory, Result, Work


def test_work_adds_up_and_multiplies_kind_by_kind():
    first = Work(**{kind: float(place) for place, kind in enumerate(KINDS)})
    both = first + 2 * Work(**dict.fromkeys(KINDS, 1.0))
    assert [getattr(both, kind) for kind in KINDS] == [place + 2.0 for place in range(len(KINDS))]
    assert lazy.total([first, first]) == 2 * first == first * 2
    assert lazy.total([]) == Work()


def test_work_is_spread_if_a_part_of_it_is():
    assert (Work(calls=1) + Work(calls=1, spread=True)).spread
    assert (3 * Work(calls=1, spread=True)).spread
    assert not (Work(calls=1) + Work(calls=1)).spread


def rows(array, work):
    return lazy.rows(
        lambda start, block: block.sum(),
        sum,
        lambda total: {"total": total},
        array,
        outputs={"total": Result()},
        memory=Memory(),
        work=work,
    )


def pairs(array, work):
    return lazy.pairs(
        lambda start, block: np.zeros(len(block)),
        lambda *_: (np.zeros(1), np.zeros(1)),
        lambda parts: parts[0],
        lambda parts: {"total": 0.0},
        array,
        outputs={"total": Result()},
        memory=Memory(),
        work=work,
    )


def whole(array, work):
    return lazy.whole(
        lambda values: {"total": values.sum()}, array, outputs={"total": Result()}, memory=Memory(), work=work
    )


def tiles(array, work):
    n = len(array)
    result = Result(("rows", "other_rows"), (n, n))
    function = lambda start, block, other_start, other: np.zeros((len(block), len(other)))  # noqa: E731
    return lazy.tiles(function, array, result=result, memory=Memory(), work=work).to_dataset()


@pytest.mark.parametrize("pattern", [rows, pairs, whole, tiles])
@pytest.mark.parametrize("work", [None, Work(products=7)])
def test_each_pattern_carries_what_its_stage_states(pattern, work):
    array = xr.DataArray(np.ones((10, 3)), dims=("rows", "hidden"), name="values").chunk(rows=4)
    graph = pattern(array, work).__dask_graph__()
    (stage,) = lazy.find_stages(dict(graph)).values()
    assert stage.work == work
    assert stage.parts == (3 if pattern is rows else 1)
