"""Checkpoints from servers on this machine: one of ranges, S3 by moto, and one that answers as the Hub does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="needs the extra hub")
from safetensors.numpy import save_file
from servers import Served, s3_server, serving

import saegeom_data
from saegeom_data.checkpoints import import_checkpoints, open_checkpoint
from saegeom_data.errors import MissingDependencyError, ParameterError, StoreError

FEATURES, HIDDEN = 1500, 96
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FOLDER = "layer_12/width_16k/average_l0_82"
SAID = {"model": "gpt2", "site": "layers.{layer}", "l0": 32.0, "architecture": "topk"}


def weights() -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    shapes = {"W_enc": (HIDDEN, FEATURES), "W_dec": (FEATURES, HIDDEN), "b_enc": (FEATURES,), "b_dec": (HIDDEN,)}
    shapes |= {"threshold": (FEATURES,)}
    return {name: rng.standard_normal(shape).astype("float32") for name, shape in shapes.items()}


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as files:
        yield files


def checkpoint(folder: Path, kind: str) -> bytes:
    path = folder / f"params.{kind}"
    if kind == "npz":
        np.savez(path, **weights())
    else:
        save_file({name.lower(): array for name, array in weights().items()}, path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_import_moves_little_more_than_the_decoder(kind: str, served: Served, tmp_path: Path) -> None:
    path = f"/google/gemma-scope-2b-pt-res/resolve/main/{FOLDER}/params.{kind}"
    served.files[path] = checkpoint(tmp_path, kind)
    decoder = weights()["W_dec"]
    opened = open_checkpoint(f"{served.url}{path}", l0=82, layer=12, site="layers.{layer}", model="google/gemma-2-2b")
    assert served.sent < 0.02 * decoder.nbytes, "opening reads headers alone"
    before = served.sent
    np.testing.assert_array_equal(opened.decoder.isel(features=slice(100, 200)), decoder[100:200])
    assert served.sent - before == 100 * HIDDEN * 4, "a part is the range of its rows"
    served.sent = 0
    said = {"l0": 82, "layer": 12, "site": "layers.{layer}", "model": "google/gemma-2-2b"}
    import_checkpoints([f"{served.url}{path}"], tmp_path / "out.zarr", **said)
    assert decoder.nbytes <= served.sent <= 1.1 * decoder.nbytes
    with saegeom_data.open(tmp_path / "out.zarr") as tree:
        features = tree["saes/layer_12/features"]
        np.testing.assert_array_equal(features.decoder, decoder)
        assert features.attrs["source"] == f"{served.url}{path}"
        assert features.attrs["source_etag"] == "abc"
        assert set(features.data_vars) == {"decoder"}


def test_transposed_decoder_is_read_once(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dask

    decoder = weights()["W_dec"]
    save_file({"features.T": np.ascontiguousarray(decoder.T)}, tmp_path / "x.safetensors")
    folder = "/Llama3_1-8B-Base-L5R-8x"
    state = {"encoder.weight": decoder, "encoder.bias": decoder[:, 0].copy(), "decoder.bias": decoder[0].copy()}
    save_file(state | {"decoder.weight": np.ascontiguousarray(decoder.T)}, tmp_path / "final.safetensors")
    served.files[f"{folder}/checkpoints/final.safetensors"] = (tmp_path / "final.safetensors").read_bytes()
    hyperparams = {"jump_relu_threshold": 0.5, "dataset_average_activation_norm": {"in": 12.0, "out": 12.0}}
    hyperparams["hook_point_in"] = "blocks.5.hook_resid_post"
    served.files[f"{folder}/hyperparams.json"] = json.dumps(hyperparams).encode()
    with dask.config.set({"saegeom_data.block_bytes": 100_000}):
        import_checkpoints([f"{served.url}{folder}"], tmp_path / "out.zarr", l0=50)
    assert served.sent <= 1.1 * decoder.nbytes
    with saegeom_data.open(tmp_path / "out.zarr") as tree:
        np.testing.assert_array_equal(tree["saes/layer_5/features"].decoder, decoder)


def test_folder_of_a_web_server_is_looked_into_by_names(served: Served, tmp_path: Path) -> None:
    save_file({"W_dec": weights()["W_dec"], "b_dec": weights()["b_dec"]}, tmp_path / "weights.safetensors")
    served.files["/sae/sae_weights.safetensors"] = (tmp_path / "weights.safetensors").read_bytes()
    config = {
        "architecture": "topk",
        "k": 8,
        "metadata": {"model_name": "gpt2", "hook_name": "blocks.6.hook_resid_pre"},
    }
    served.files["/sae/cfg.json"] = json.dumps(config).encode()
    opened = open_checkpoint(f"{served.url}/sae/")
    assert (opened.attrs["format"], opened.l0.item(), opened.layer.item()) == ("saelens", 8, 6)
    with pytest.raises(StoreError, match="not found; a web server cannot list a folder"):
        open_checkpoint(f"{served.url}/nothing")


def test_server_without_ranges_is_named(served: Served, tmp_path: Path) -> None:
    served.files["/params.npz"], served.ranges = checkpoint(tmp_path, "npz"), False
    with pytest.raises(StoreError, match=r"params\.npz: bytes .* support range requests.*download it"):
        open_checkpoint(f"{served.url}/params.npz", **SAID)


def test_server_that_goes_away_leaves_nothing(served: Served, tmp_path: Path) -> None:
    path = "/layer_1/width_16k/average_l0_82/params.npz"
    served.files[path] = checkpoint(tmp_path, "npz")
    opened = open_checkpoint(f"{served.url}{path}", model="m", site="layers.{layer}")
    del served.files[path]
    with pytest.raises(StoreError, match=r"params\.npz: W_dec\.npy: bytes \d+ to \d+ cannot be read"):
        saegeom_data.write_tree(tree_of(opened), tmp_path / "out.zarr")
    assert [file.name for file in tmp_path.iterdir()] == ["params.npz"]


def tree_of(features: Any) -> Any:
    import xarray as xr

    root = xr.Dataset(attrs={"format_version": 1, "title": "t", "license": "l"})
    return xr.DataTree.from_dict({"/": root, "/saes/x/features": features})


def test_hub_is_pinned_to_a_commit(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", served.url)
    template = served.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    data, repository = checkpoint(tmp_path, "npz"), "google/gemma-scope-2b-pt-res"
    lfs = {"size": len(data), "sha256": "ab" * 32, "pointerSize": 134}
    siblings = [
        {"rfilename": "README.md", "size": 3},
        {"rfilename": f"{FOLDER}/params.npz", "size": len(data), "lfs": lfs},
        {"rfilename": "layer_13/width_16k/average_l0_84/params.npz", "size": len(data), "lfs": lfs},
    ]
    info = {"id": repository, "sha": COMMIT, "siblings": siblings, "cardData": {"license": "cc-by-4.0"}}
    served.answers = {f"/api/models/{repository}": info} | {
        f"/api/models/{repository}/revision/{revision}": info for revision in ("main", "v1", COMMIT)
    }
    for layer in (FOLDER, "layer_13/width_16k/average_l0_84"):
        served.files[f"/{repository}/resolve/{COMMIT}/{layer}/params.npz"] = data
    import_checkpoints([f"hf://{repository}@v1"], tmp_path / "out.zarr")
    assert not any("resolve" in request and COMMIT not in request for request in served.requests)
    with saegeom_data.open(tmp_path / "out.zarr") as tree:
        assert list(tree["saes"].children) == ["layer_12", "layer_13"]
        attrs = tree["saes/layer_12/features"].attrs
        assert (attrs["source_revision"], attrs["source_sha256"]) == (COMMIT, "ab" * 32)
        assert (attrs["source"], attrs["model"]) == (f"hf://{repository}@v1", "google/gemma-2-2b")
        assert tree.attrs["license"] == "cc-by-4.0"
    served.sent = 0
    assert open_checkpoint(f"hf://{repository}/layer_13").l0.item() == 84
    with pytest.raises(StoreError, match="nothing at that path in revision"):
        open_checkpoint(f"hf://{repository}/layer_99")
    with pytest.raises(StoreError, match="cannot be reached"):
        open_checkpoint("hf://nobody/nothing")


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    with s3_server() as system:
        system.mkdir("saes")
        yield system


def test_s3(bucket: Any, tmp_path: Path) -> None:
    for layer in (1, 2):
        bucket.pipe(f"saes/suite/layer_{layer}/width_16k/average_l0_70/params.npz", checkpoint(tmp_path, "npz"))
    import_checkpoints(["s3://saes/suite"], tmp_path / "out.zarr", model="google/gemma-2-2b", site="layers.{layer}")
    with saegeom_data.open(tmp_path / "out.zarr") as tree:
        assert list(tree["saes"].children) == ["layer_1", "layer_2"]
        np.testing.assert_array_equal(tree["saes/layer_2/features"].decoder, weights()["W_dec"])
        assert tree["saes/layer_1/features"].attrs["source_etag"]
    with pytest.raises(StoreError, match="no such object or prefix"):
        open_checkpoint("s3://saes/nothing")


@pytest.mark.parametrize("address", ["hff://a/b", "simplecache::s3://x", "file:///etc/passwd", "memory://x"])
def test_other_kinds_of_address_are_refused(address: str) -> None:
    with pytest.raises(ParameterError, match=r"cannot be read from .*known: a local path, hf://, http://"):
        open_checkpoint(address)


@pytest.mark.parametrize(
    ("address", "package"), [("s3://a/b", "s3fs"), ("https://a/b", "aiohttp"), ("hf://a/b", "aiohttp")]
)
def test_missing_extra_is_named(address: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find_spec(name))
    with pytest.raises(MissingDependencyError, match=rf"'{package}' is not installed.*saegeom-data\[hub\]"):
        open_checkpoint(address)
