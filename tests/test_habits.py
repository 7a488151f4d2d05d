"""Calls as people write them work, or say in one line what to write."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import saegeom_data
from saegeom_data.errors import ParameterError, UnknownNameError
from saegeom_data.metrics import eigenvalue_slope, lobes, parallelogram_quality
from saegeom_data.testing.simulate import simulate_store

SLOPE = {"first_rank": 2, "last_rank": 20}


@pytest.fixture(scope="module")
def tree() -> xr.DataTree:
    return simulate_store()


@pytest.mark.parametrize("path", ["saes/layer_1", "saes/layer_1/features"])
def test_a_group_of_a_store_is_taken_as_the_sae_that_it_is_of(tree: xr.DataTree, path: str) -> None:
    expected = eigenvalue_slope(saegeom_data.select_sae(tree, "layer_1"), **SLOPE)
    xr.testing.assert_identical(eigenvalue_slope(tree[path], **SLOPE), expected)
    assert lobes(tree[path], n_lobes=2).sizes["n_lobes"] == 1


def test_a_group_of_word_pairs_likewise(tree: xr.DataTree) -> None:
    (site,) = list(tree["relations"].children)[:1]
    assert "relation" in parallelogram_quality(tree[f"relations/{site}"], n_permutations=2).dims


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda tree: eigenvalue_slope(tree), "got the DataTree '/', expected one sae: select_sae(tree, name)"),
        (
            lambda _: eigenvalue_slope(np.zeros((4, 3))),
            "eigenvalue_slope: got ndarray, expected an xarray.Dataset, such as"
            " xarray.Dataset({'decoder': (('features', 'hidden'), array)})",
        ),
        (lambda _: saegeom_data.select_sae("mine.zarr", "layer_0"), "an opened store: saegeom_data.open(path)"),
        (lambda _: saegeom_data.summary_table("out"), "results: got the path 'out', expected an opened tree: "),  # type: ignore[arg-type]
        (lambda _: saegeom_data.claims(np.zeros(3)), "results: got ndarray, expected an opened tree: "),  # type: ignore[arg-type]
        (lambda tree: saegeom_data.evaluate(tree, 3), "run: got int, expected a RunSpec"),
        (lambda tree: saegeom_data.evaluate(tree, "galaxi"), "did you mean 'galaxy'?"),
    ],
)
def test_one_line_says_what_to_write(tree: xr.DataTree, call: object, expected: str) -> None:
    with pytest.raises((ParameterError, UnknownNameError)) as refused:
        call(tree)  # type: ignore[operator]
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_run_by_its_name(tree: xr.DataTree) -> None:
    found = saegeom_data.evaluate(tree, "isotropy")
    assert list(found.children) == ["isotropy"]
    frame = saegeom_data.summary_table(found.load()).to_dataframe()
    assert list(frame.index) == ["layer_0", "layer_1"]


def test_a_metric_shows_itself() -> None:
    assert repr(eigenvalue_slope).startswith("<metric eigenvalue_slope, version ")
    assert "\n" not in repr(eigenvalue_slope)
    card = eigenvalue_slope._repr_html_()
    assert "decoder (features, hidden)" in card
    assert "slope" in card


def test_a_plan_is_public(tmp_path: object) -> None:
    plan = saegeom_data.plan("isotropy", saegeom_data.sample_path())
    assert plan.n_tasks > 0
