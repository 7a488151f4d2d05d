"""Checkpoints of SAEs that write to several sites, in the layouts of those who publish them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

import saegeom_data  # noqa: E402
from saegeom_data.checkpoints import import_checkpoints, open_checkpoint, open_checkpoints  # noqa: E402
from saegeom_data.data.sites import at_site  # noqa: E402
from saegeom_data.errors import ParameterError, StoreError  # noqa: E402

FEATURES, HIDDEN, SITES = 12, 8, 3
LAYERS = (5, 9, 12)


def random(*shape: int) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def gemma_scope(folder: Path, kind: str, braces: str) -> dict[int, Any]:
    """Files and configuration as in google/gemma-scope-2-270m-pt; returns the decoders as written."""
    folder.mkdir(parents=True)
    ends = ("pre_feedforward_layernorm.", "post_feedforward_layernorm.") if kind == "clt" else ("", "")
    config = {
        **{f"hf_hook_point_{name}": f"model.layers.{braces}.{end}output" for name, end in zip(("in", "out"), ends)},  # noqa: B905
        "width": FEATURES * SITES, "model_name": "google/gemma-3-270m-pt", "architecture": "jump_relu", "l0": 150,
        "affine_connection": False, "type": kind,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    decoders = {}
    for number in range(SITES):
        decoders[number] = random(FEATURES, SITES, HIDDEN) + number
        tensors = {"w_enc": random(HIDDEN, FEATURES), "b_enc": random(FEATURES), "b_dec": random(HIDDEN)}
        threshold = {"threshold": random(FEATURES).abs()}
        save_file({**tensors, **threshold, "w_dec": decoders[number]}, folder / f"params_layer_{number}.safetensors")
    return decoders


def crosscoder(path: Path, **extra: Any) -> Any:
    """State dictionary of a CrossCoder of dictionary_learning, as torch saves it; returns its decoder."""
    decoder = random(2, FEATURES, HIDDEN)
    state = {
        "encoder.weight": random(2, HIDDEN, FEATURES), "encoder.bias": random(FEATURES),
        "decoder.weight": decoder, "decoder.bias": random(2, HIDDEN), **extra,
    }  # fmt: skip
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return decoder


@pytest.mark.parametrize("is_stated", [True, False], ids=["config.json", "names of folders"])
def test_gemma_scope_2_crosscoder(is_stated: bool, tmp_path: Path) -> None:
    folder = tmp_path / "gemma-scope-2-270m-pt" / "crosscoder" / "layer_5_9_12_width_36_l0_big"
    decoders = gemma_scope(folder, "crosscoder", "{5,9,12}")
    if not is_stated:
        (folder / "config.json").unlink()
    import_checkpoints([folder], tmp_path / "out.zarr")
    tree = saegeom_data.open(tmp_path / "out.zarr")
    for number, layer in enumerate(LAYERS):
        features = tree[f"saes/layer_{layer}/features"].to_dataset()
        # Features that read a site write to it and to those after it.
        np.testing.assert_array_equal(features.decoder, decoders[number][:, number:])
        assert features.layer.values.tolist() == list(LAYERS[number:])
        assert features.site.values.tolist() == [f"blocks.{at}.hook_resid_post" for at in LAYERS[number:]]
        assert features.attrs["input_module"] == f"model.layers.{layer}.output"
        assert np.isnan(features.l0)
        assert features.attrs["model"] == "google/gemma-3-270m-pt"


def test_gemma_scope_2_cross_layer_transcoder(tmp_path: Path) -> None:
    decoders = gemma_scope(tmp_path / "clt" / "width_36_l0_big", "clt", "{all}")
    features = open_checkpoint(tmp_path / "clt" / "width_36_l0_big" / "params_layer_1.safetensors")
    np.testing.assert_array_equal(features.decoder, decoders[1][:, 1:])
    assert features.layer.values.tolist() == [1, 2]
    assert features.attrs["source_input"] == "model.layers.1.pre_feedforward_layernorm.output"
    assert features.attrs["architecture"] == "jumprelu_cross_layer_transcoder"


@pytest.mark.parametrize(
    ("kind", "braces", "said"), [("crosscoder", "{5,9}", "names 2"), ("mystery", "{all}", "mystery"), ("clt", "3", "3")]
)
def test_gemma_scope_2_of_sites_that_nobody_names_is_refused(kind: str, braces: str, said: str, tmp_path: Path) -> None:
    gemma_scope(tmp_path / "some", kind, braces)
    with pytest.raises(StoreError, match=said):
        open_checkpoints([tmp_path / "some"])


def test_circuit_tracer(tmp_path: Path) -> None:
    decoders = {layer: random(FEATURES, SITES - layer, HIDDEN) for layer in range(SITES)}
    for layer, decoder in decoders.items():
        save_file({f"W_dec_{layer}": decoder}, tmp_path / f"W_dec_{layer}.safetensors")
        encoder = {"W_enc": random(FEATURES, HIDDEN), "b_enc": random(FEATURES), "b_dec": random(HIDDEN)}
        save_file(
            {f"{name}_{layer}": value for name, value in encoder.items()}, tmp_path / f"W_enc_{layer}.safetensors"
        )
    (tmp_path / "config.yaml").write_text(
        "model_name: google/gemma-2-2b\nmodel_kind: cross_layer_transcoder\n"
        "feature_input_hook: hook_resid_mid\nfeature_output_hook: hook_mlp_out\n",
        encoding="utf-8",
    )
    tree = open_checkpoints([tmp_path], l0=float("nan"))
    assert list(tree["saes"].children) == ["layer_0", "layer_1", "layer_2"]
    for layer, decoder in decoders.items():
        features = tree[f"saes/layer_{layer}/features"].to_dataset()
        np.testing.assert_array_equal(features.decoder, decoder)
        assert features.site.values.tolist() == [f"blocks.{at}.hook_mlp_out" for at in range(layer, SITES)]
        assert features.attrs["input_hook"] == f"blocks.{layer}.hook_resid_mid"


def test_files_of_one_crosscoder_that_disagree_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "gemma-scope-2-270m-pt" / "crosscoder" / "layer_5_9_12_width_36_l0_big"
    gemma_scope(folder, "crosscoder", "{5,9,12}")
    (folder / "config.json").unlink()
    for features, hidden in ((FEATURES + 1, HIDDEN), (FEATURES, HIDDEN + 1)):
        tensors = {"w_enc": random(hidden, features), "b_enc": random(features), "b_dec": random(hidden)}
        tensors |= {"threshold": random(features), "w_dec": random(features, SITES, hidden)}
        save_file(tensors, folder / "params_layer_1.safetensors")
        with pytest.raises(
            StoreError, match=rf"layer_1.* {features} features x {hidden} hidden.*layer_0.*not of one SAE"
        ):
            open_checkpoints([folder])


def test_layers_of_a_crosscoder_fill_the_place_in_its_site(tmp_path: Path) -> None:
    crosscoder(tmp_path / "ae.pt")
    said: dict[str, Any] = {"model": "gpt2", "l0": 2}
    features = open_checkpoint(tmp_path / "ae.pt", site="blocks.{layer}.hook_mlp_out", layer="3,7", **said)
    assert features.site.values.tolist() == ["blocks.3.hook_mlp_out", "blocks.7.hook_mlp_out"]
    with pytest.raises(ParameterError, match="layer: got 8 for site 'blocks.7.hook_mlp_out'"):
        open_checkpoint(tmp_path / "ae.pt", site="blocks.3.hook_mlp_out,blocks.7.hook_mlp_out", layer="3,8", **said)
    with pytest.raises(ParameterError, match=r"model, site and l0 are not in .*--site \(all 2 that it writes to"):
        open_checkpoint(tmp_path / "ae.pt")


def test_biases_of_all_sites_are_stored(tmp_path: Path) -> None:
    bias = random(2, HIDDEN) + 1
    crosscoder(tmp_path / "ae.pt", **{"decoder.bias": bias})
    said: dict[str, Any] = {"model": "gpt2", "l0": 2, "site": "base,chat", "layer": 3}
    import_checkpoints([tmp_path / "ae.pt"], tmp_path / "out.zarr", **said)
    with saegeom_data.open(tmp_path / "out.zarr") as tree:
        features = tree["saes/crosscoder/features"].to_dataset()
        np.testing.assert_array_equal(features.decoder_bias, bias.numpy())
        np.testing.assert_array_equal(at_site(features, "chat", "").decoder_bias, bias[1].numpy())
    np.savez(tmp_path / "own.npz", decoder=random(FEATURES, 2, HIDDEN).numpy(), b_dec=bias.numpy())
    np.testing.assert_array_equal(open_checkpoint(tmp_path / "own.npz", architecture="x", **said).decoder_bias, bias)
    crosscoder(tmp_path / "ae.pt", **{"decoder.bias": random(3, HIDDEN)})
    with pytest.raises(StoreError, match=r"decoder.bias: decoder_bias has shape \(3, 8\), expected \(2, 8\)"):
        open_checkpoint(tmp_path / "ae.pt", **said)


@pytest.mark.parametrize("name", ["ae.pt", "model.safetensors"])
def test_crosscoder_of_dictionary_learning(name: str, tmp_path: Path) -> None:
    decoder = crosscoder(tmp_path / name, code_normalization_id=torch.tensor(1))
    features = open_checkpoint(tmp_path / name, model="gemma", site="base, chat", layer=13, l0=5)
    np.testing.assert_array_equal(features.decoder, decoder.numpy().transpose(1, 0, 2))
    assert features.site.values.tolist() == ["base", "chat"]
    assert features.layer.values.tolist() == [13, 13]
    assert features.attrs["architecture"] == "crosscoder"


def test_k_and_layer_of_a_batchtopk_crosscoder_are_its_own(tmp_path: Path) -> None:
    crosscoder(tmp_path / "ae.pt", k=torch.tensor(3), threshold=torch.tensor(0.2))
    trainer = {"dict_class": "BatchTopKCrossCoder", "layer": 13, "lm_name": "chat-base", "dict_size": FEATURES}
    (tmp_path / "config.json").write_text(json.dumps({"trainer": trainer}), encoding="utf-8")
    features = open_checkpoint(tmp_path, site="base,chat")
    assert (features.layer.values.tolist(), float(features.l0), features.attrs["model"]) == ([13, 13], 3.0, "chat-base")


@pytest.mark.parametrize(
    "said", [{}, {"site": "base"}, {"site": "a,a"}, {"site": "a,b", "layer": "1,2,3"}, {"site": "a,b", "encoder": True}]
)
def test_sites_that_are_not_known_and_encoders_are_refused(said: dict[str, Any], tmp_path: Path) -> None:
    crosscoder(tmp_path / "ae.pt")
    with pytest.raises(ParameterError, match="site"):
        open_checkpoint(tmp_path / "ae.pt", **{"model": "gemma", "l0": 5, "layer": 13, **said})


def test_an_array_of_three_dimensions_takes_the_names_of_its_sites(tmp_path: Path) -> None:
    decoder = random(FEATURES, SITES, HIDDEN).numpy()
    np.save(tmp_path / "decoder.npy", decoder)
    said: dict[str, Any] = {"model": "gpt2", "l0": 2, "architecture": "crosscoder"}
    features = open_checkpoint(tmp_path / "decoder.npy", site="blocks.1.a,blocks.2.a,blocks.4.a", **said)
    np.testing.assert_array_equal(features.decoder, decoder)
    assert features.layer.values.tolist() == [1, 2, 4]
    with pytest.raises(ParameterError, match="expected 3"):
        open_checkpoint(tmp_path / "decoder.npy", site="blocks.1.a", **said)
