"""Stores that tests of labels add to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from exports import N_FEATURES

from saegeom_data.data import write
from saegeom_data.testing import simulate_store


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two SAEs of GPT-2, of layers 0 and 1; not to be changed."""
    tree = simulate_store(n_saes=2, n_features=N_FEATURES, n_hidden=4, n_blocks=6)
    for name in ("layer_0", "layer_1"):
        tree[f"saes/{name}/features"].attrs["model"] = "openai-community/gpt2"
    target = tmp_path_factory.mktemp("sealed") / "sealed.zarr"
    write.write_tree(tree, target)
    return target


@pytest.fixture
def mine(sealed: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(sealed, tmp_path / "mine.zarr"))
