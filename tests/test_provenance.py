from __future__ import annotations

import platform

import numpy as np
import pytest
import xarray as xr

from saegeom_data import provenance
from saegeom_data.testing import simulate_sae


def with_l0(*values: float) -> list[xr.Dataset]:
    return [simulate_sae(n_features=10).assign_coords(l0=value) for value in values]


def test_versions_are_those_installed() -> None:
    found = provenance.versions()
    assert found["python"] == platform.python_version()
    assert found["numpy"] == np.__version__
    assert {"saegeom-data", "xarray", "zarr", "dask", "scipy", "scikit-learn", "numba"} <= set(found)


def test_what_is_not_installed_is_left_out() -> None:
    assert set(provenance.versions(["no-such-package"])) == {"python"}


@pytest.mark.parametrize("values", [(), (8.0,), (8.0, 8.3), (100.0, 105.0, 102.0)])
def test_matched_saes_need_no_caution(values: tuple[float, ...]) -> None:
    assert provenance.unmatched(with_l0(*values)) == []


def test_saes_of_other_l0_are_named() -> None:
    (sentence,) = provenance.unmatched(with_l0(8.0, 8.5, 16.0))
    assert sentence.startswith("l0 differs between the SAEs (8 to 16)")


def test_unknown_l0_is_not_taken_for_a_match() -> None:
    expected = ["l0 is not known for every SAE: differences between layers may come from it"]
    assert provenance.unmatched(with_l0(8.0, np.nan)) == expected
    assert provenance.unmatched([with_l0(8.0)[0], with_l0(8.0)[0].drop_vars("l0")]) == expected


def test_source_is_described_by_what_it_says_of_itself() -> None:
    tree = xr.DataTree(xr.Dataset(attrs={"title": "T", "license": "L", "other": 1}))
    assert provenance.describe_source(tree) == {"dataset_title": "T", "dataset_license": "L"}
