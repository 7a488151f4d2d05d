"""Models, SAEs and stores that are made once for all tests of builds; none of them is to be changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr

import saegeom_data


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of three small models, two SAEs and 150 documents."""
    tiny_models = pytest.importorskip("tiny_models", reason="needs torch and transformers")

    folder = tmp_path_factory.mktemp("ready")
    for kind in tiny_models.KINDS:
        tiny_models.write_model(folder / kind, kind)
    for layer in (0, 1):
        tiny_models.write_sae(folder / "saes", layer, 10 + layer)
    tiny_models.write_documents(folder / "documents.jsonl", 150)
    return folder


@pytest.fixture(scope="session")
def built(folder: Path) -> Path:
    """Store of ready SAEs, with all that a build of them can store."""
    tiny_models = pytest.importorskip("tiny_models", reason="needs torch and transformers")

    store: Path = tiny_models.made(tiny_models.full(), folder, folder / "full.zarr")
    return store


@pytest.fixture(scope="session")
def tree(built: Path) -> xr.DataTree:
    """The same store, in memory."""
    return saegeom_data.open(built, verify="checksums").load()
