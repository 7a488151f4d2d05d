"""A store that tests of runs may damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from saegeom_data.data import write
from saegeom_data.testing.simulate import simulate_store


@pytest.fixture(scope="session")
def three_saes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of three SAEs; not to be changed."""
    target = tmp_path_factory.mktemp("three") / "data.zarr"
    write.write_tree(simulate_store(n_saes=3), target)
    return target


@pytest.fixture
def data(three_saes: Path, tmp_path: Path) -> Path:
    """A copy of the store of three SAEs, which takes a tenth of the time that it takes to write one."""
    return Path(shutil.copytree(three_saes, tmp_path / "data.zarr"))
