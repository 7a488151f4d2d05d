from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import xarray as xr

from saegeom_data.data import codes, store, write
from saegeom_data.data.value_checks import value_problems
from saegeom_data.testing.simulate import simulate_store

FEATURES, CODES = "/saes/layer_0/features", "/saes/layer_0/codes"


@pytest.fixture
def groups() -> dict[str, xr.Dataset]:
    tree = simulate_store(n_saes=1, n_features=500, n_hidden=16, n_blocks=30)
    csr = sp.random(40, 500, 0.1, format="csr", dtype="float32", random_state=0)
    found = {node.path: node.to_dataset(inherit=False).copy(deep=True) for node in tree.subtree}
    return found | {CODES: codes.codes_group(csr)}


def problems(groups: dict[str, xr.Dataset], folder: Path) -> list[str]:
    """Problems of the store as reopened from disk, in blocks of several shards."""
    target = folder / "a.zarr"
    write.write_tree(xr.DataTree.from_dict(groups), target)
    with store.open_unchecked(target) as tree:
        return [str(problem) for problem in value_problems(tree)]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many blocks, so that row numbers across blocks are tried."""
    monkeypatch.setattr(write, "_CHUNK_BYTES", 1_000)
    monkeypatch.setattr(write, "_SHARD_BYTES", 4_000)
    monkeypatch.setattr("saegeom_data.data.value_checks._VALUES_AT_ONCE", 200)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_written_store_passes(groups: dict[str, xr.Dataset], tmp_path: Path, dtype: str) -> None:
    groups[FEATURES]["decoder"] = groups[FEATURES].decoder.astype(dtype)
    assert problems(groups, tmp_path) == []


def test_rows_of_bfloat16_pass_as_unit(groups: dict[str, xr.Dataset], tmp_path: Path) -> None:
    rounded = (groups[FEATURES].decoder.values.astype("float32").view("uint32") & 0xFFFF0000).view("float32")
    groups[FEATURES]["decoder"] = (("features", "hidden"), rounded)
    (problem,) = problems(groups, tmp_path)
    assert "rows without unit norm" in problem
    groups[FEATURES].attrs["source_dtype"] = "bfloat16"
    assert problems(groups, tmp_path / "again") == []


def set_values(path: str, name: str, at: object, value: float) -> Callable[[dict[str, xr.Dataset]], None]:
    def change(groups: dict[str, xr.Dataset]) -> None:
        groups[path] = groups[path].copy(deep=True)
        groups[path][name].values[at] = value

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            set_values(FEATURES, "decoder", ([437, 481], [5, 2]), np.nan),
            f"{FEATURES}/decoder: 2 rows with NaN or infinite values, the first is features 437 (got nan); repair them",
        ),
        (
            set_values("/relations/hidden_state_0", "source_activation", (7, 3), -np.inf),
            "/relations/hidden_state_0/source_activation: "
            "1 rows with NaN or infinite values, the first is pairs 7 (got -inf); repair them",
        ),
        (
            set_values(FEATURES, "decoder", slice(430, 440), 0.5),
            f"{FEATURES}/decoder: 10 rows without unit norm, the first is features 430 (norm 2), "
            'although decoder_norm is "unit"; normalise them or say "raw"',
        ),
        (
            set_values(FEATURES, "decoder", 12, 0),
            f"{FEATURES}/decoder: 1 rows without unit norm, the first is features 12 (norm 0), "
            'although decoder_norm is "unit"; normalise them or say "raw"',
        ),
        (
            set_values("/saes/layer_0/occurrence", "document", 29, 10),
            "/saes/layer_0/occurrence/document: 1 rows outside 0 to 9, the first is blocks 29 (got 10)",
        ),
        (
            set_values("/saes/layer_0/occurrence", "document", 2, -1),
            "/saes/layer_0/occurrence/document: 1 rows outside 0 to 9, the first is blocks 2 (got -1)",
        ),
        (
            set_values(CODES, "data", 1_700, np.nan),
            f"{CODES}/data: 1 rows with NaN or infinite values, the first is nonzeros 1700 (got nan); repair them",
        ),
        (
            set_values(CODES, "indptr", -1, 3),
            f"{CODES}/indptr: got bounds from 0 to 3, expected 0 to 2000; fetch the store again or build it anew",
        ),
        (
            set_values(CODES, "indptr", 21, 0),
            f"{CODES}/indptr: bounds do not rise, first after row 20; fetch the store again or build it anew",
        ),
        (
            set_values(CODES, "indptr", 21, 10**9),
            f"{CODES}/indptr: bounds do not rise, first after row 20; fetch the store again or build it anew",
        ),
    ],
)
def test_bad_values_are_one_clear_line(
    groups: dict[str, xr.Dataset], tmp_path: Path, change: Callable[[dict[str, xr.Dataset]], None], expected: str
) -> None:
    change(groups)
    (found,) = problems(groups, tmp_path)
    assert found.startswith(expected)


def test_raw_decoders_may_have_any_norm(groups: dict[str, xr.Dataset], tmp_path: Path) -> None:
    set_values(FEATURES, "decoder", 12, 3)(groups)
    groups[FEATURES].attrs["decoder_norm"] = "raw"
    assert problems(groups, tmp_path) == []


@pytest.mark.parametrize(
    ("value", "problem"), [(500, "outside"), (-1, "outside"), (None, "not sorted or have duplicate")]
)
def test_feature_indices_out_of_range_or_order(
    groups: dict[str, xr.Dataset], tmp_path: Path, value: int | None, problem: str
) -> None:
    indptr = groups[CODES].indptr.values
    for row in (17, 30):
        last = indptr[row + 1] - 1
        set_values(CODES, "indices", last, groups[CODES].indices.values[last - 1] if value is None else value)(groups)
    found = problems(groups, tmp_path)
    assert any(f"{CODES}/indices: 2 rows" in line and problem in line and "row 17" in line for line in found)


def test_rows_that_only_touch_at_their_bounds_are_sorted(groups: dict[str, xr.Dataset], tmp_path: Path) -> None:
    groups[CODES] = codes.codes_group(sp.csr_matrix(np.eye(500, dtype="float32")[::-1]))
    assert problems(groups, tmp_path) == []


def test_empty_codes_pass(groups: dict[str, xr.Dataset], tmp_path: Path) -> None:
    groups[CODES] = codes.codes_group(sp.csr_matrix((40, 500), dtype="float32"))
    assert problems(groups, tmp_path) == []


def test_results_may_hold_nan() -> None:
    root = xr.Dataset(attrs={"kind": "results"})
    assert value_problems(xr.DataTree.from_dict({"/": root, "/a": xr.Dataset({"x": ("sae", [np.nan])})})) == []
