"""Stores of transcoders: codes of what the checkpoint says they read, held against hooks on the model's modules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("datasets")
save_file = pytest.importorskip("safetensors.torch").save_file

from tiny_models import FEATURES, HIDDEN, made, plain, sequences_of, write_notes

import saegeom_data
from saegeom_data.data.card import dataset_card
from saegeom_data.data.codes import codes_matrix
from saegeom_data.errors import ParameterError

K = 4
NORMS = {"in": "pre", "out": "post"}


@pytest.fixture(scope="module")
def models(folder: Path) -> dict[str, Path]:
    """Models whose norms have weights of their own, in the folders of those that have not."""
    made = {}
    for kind in ("llama", "gemma2"):
        torch.manual_seed(1)
        model = transformers.AutoModel.from_pretrained(folder / kind)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
        made[kind] = folder / f"{kind}-trained"
        model.save_pretrained(made[kind])
        transformers.AutoTokenizer.from_pretrained(folder / kind).save_pretrained(made[kind])
    return made


def random(*shape: int) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)))


def sparsify(folder: Path, module: str, **config: Any) -> Path:
    place = folder / module
    place.mkdir(parents=True)
    weights = {"encoder.weight": random(FEATURES, HIDDEN), "encoder.bias": random(FEATURES)}
    weights |= {"W_dec": random(FEATURES, HIDDEN) + 1, "b_dec": random(HIDDEN) + 2}
    save_file(weights, place / "sae.safetensors")
    (place / "cfg.json").write_text(json.dumps({"k": K} | config))
    return place


def gemma_scope(folder: Path) -> Path:
    place = folder / "gemma-scope-2b-pt-transcoders/layer_1/width_1k/average_l0_8"
    place.mkdir(parents=True)
    weights = {"W_enc": random(FEATURES, HIDDEN).T, "W_dec": random(FEATURES, HIDDEN), "b_enc": random(FEATURES)}
    weights |= {"b_dec": random(HIDDEN), "threshold": torch.full((FEATURES,), 0.3)}
    np.savez(place / "params.npz", **{name: tensor.numpy() for name, tensor in weights.items()})
    return place


def llama_scope(folder: Path) -> Path:
    place = folder / "Llama3_1-8B-Base-L1TC-8x"
    (place / "checkpoints").mkdir(parents=True)
    weights = {"encoder.weight": random(FEATURES, HIDDEN), "encoder.bias": random(FEATURES)}
    weights |= {"decoder.weight": random(HIDDEN, FEATURES), "decoder.bias": random(HIDDEN)}
    save_file(weights, place / "checkpoints" / "final.safetensors")
    config = {"hook_point_in": "blocks.1.ln2.hook_normalized", "hook_point_out": "blocks.1.hook_mlp_out"}
    # The norm of a vector whose mean square is one, so that nothing is scaled.
    config |= {"jump_relu_threshold": 0.3, "dataset_average_activation_norm": {"in": HIDDEN**0.5, "out": 1.0}}
    (place / "hyperparams.json").write_text(json.dumps(config))
    return place


def gemma_scope_2(folder: Path) -> Path:
    place = folder / "gemma-scope-2-1b-pt/transcoder/layer_1_width_16k_l0_big"
    place.mkdir(parents=True)
    weights = {"w_enc": random(FEATURES, HIDDEN).T.contiguous(), "w_dec": random(FEATURES, HIDDEN)}
    weights |= {"b_enc": random(FEATURES), "b_dec": random(HIDDEN), "threshold": torch.full((FEATURES,), 0.3)}
    save_file(weights, place / "params.safetensors")
    hooks = {
        f"hf_hook_point_{end}": f"model.layers.1.{norm}_feedforward_layernorm.output" for end, norm in NORMS.items()
    }
    (place / "config.json").write_text(json.dumps({"type": "transcoder", "model_name": "gemma-2"} | hooks))
    return place


def built(model: Path, sae: dict[str, Any], target: Path) -> xr.DataTree:
    kind = model.name.removesuffix("-trained")
    value = plain(kind=kind, saes=[{"model": kind} | sae]) | {"model": {"name": kind, "path": model.name}}
    roots = {"corpora": write_notes(target.parent / "notes", "winter")}
    return saegeom_data.open(made(value, model.parent, target, roots=roots)).load()


def inputs(model: Path, tree: xr.DataTree, module: str, end: str) -> Any:
    """What passes at a module, of each token that is not special."""
    loaded = transformers.AutoModel.from_pretrained(model).eval()
    seen: list[Any] = []

    def keep(_module: Any, given: Any, output: Any) -> None:
        seen.append(given[0][0] if end == "input" else output[0])

    loaded.get_submodule(module).register_forward_hook(keep)
    with torch.inference_mode():
        for row in sequences_of(tree):
            loaded(torch.from_numpy(row.astype("int64"))[None])
    return torch.cat(seen)[~torch.from_numpy(tree["tokens/is_special"].values)]


def codes(tree: xr.DataTree) -> Any:
    [sae] = tree["saes"].children.values()
    dense = codes_matrix(sae["codes"].to_dataset()).toarray()
    return torch.from_numpy(dense)[~torch.from_numpy(tree["tokens/is_special"].values)]


def topk(x: Any) -> Any:
    linear = (x @ random(FEATURES, HIDDEN).T + random(FEATURES)).relu()
    kept = linear.topk(K)
    return torch.zeros_like(linear).scatter(-1, kept.indices, kept.values)


@pytest.mark.parametrize("stated", [None, "layers.0.mlp.input"])
def test_a_transcoder_is_encoded_on_its_input(stated: str | None, models: dict[str, Path], tmp_path: Path) -> None:
    place = sparsify(tmp_path / "coder", "layers.1.mlp", transcode=True)
    tree = built(models["llama"], {"address": str(place)} | ({"site": stated} if stated else {}), tmp_path / "s.zarr")
    module = "layers.0.mlp" if stated else "layers.1.mlp"
    x = inputs(models["llama"], tree, module, "input")
    torch.testing.assert_close(codes(tree), topk(x), rtol=0, atol=1e-5)
    [sae] = tree["saes"].children.values()
    attrs = sae["features"].attrs
    assert (attrs["input_module"], attrs["output_module"]) == (f"{module}.input", "layers.1.mlp.output")
    assert sae["features/site"].item() == "blocks.1.hook_mlp_out"
    block = module[7]
    assert f"| blocks.{block}.mlp.hook_in to blocks.1.hook_mlp_out |" in dataset_card(tree)


def test_a_module_before_a_norm_is_read_without_the_norm(models: dict[str, Path], tmp_path: Path) -> None:
    place = sparsify(tmp_path / "coder", "layers.1.mlp")
    tree = built(models["gemma2"], {"address": str(place)}, tmp_path / "s.zarr")
    x = inputs(models["gemma2"], tree, "layers.1.mlp", "output")
    torch.testing.assert_close(codes(tree), topk(x - random(HIDDEN) - 2), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "write", "norm", "weighted"),
    [
        ("gemma2", gemma_scope, "pre_feedforward_layernorm", False),
        ("llama", llama_scope, "post_attention_layernorm", False),
        ("gemma2", gemma_scope_2, "pre_feedforward_layernorm", True),
    ],
)
def test_a_transcoder_reads_behind_a_norm_with_or_without_its_weight(
    kind: str, write: Any, norm: str, weighted: bool, models: dict[str, Path], tmp_path: Path
) -> None:
    tree = built(models[kind], {"address": str(write(tmp_path)), "l0": 8}, tmp_path / "s.zarr")
    x = inputs(models[kind], tree, f"layers.1.{norm}", "output" if weighted else "input")
    if not weighted:
        epsilon = transformers.AutoConfig.from_pretrained(models[kind]).rms_norm_eps
        x = x / torch.sqrt((x**2).mean(-1, keepdim=True) + epsilon)
    linear = x @ random(FEATURES, HIDDEN).T + random(FEATURES)
    torch.testing.assert_close(codes(tree), linear.relu() * (linear > 0.3), rtol=0, atol=1e-5)


def test_what_cannot_be_read_is_refused_with_the_name_of_the_sae(models: dict[str, Path], tmp_path: Path) -> None:
    place = sparsify(tmp_path / "coder", "layers.5.mlp", transcode=True)
    with pytest.raises(ParameterError, match=r"^saes: layer_5 \(.*sae\.safetensors\) reads: 'layers\.5\.mlp\.input'"):
        built(models["llama"], {"address": str(place)}, tmp_path / "s.zarr")
    place = sparsify(tmp_path / "unnamed", "coder", transcode=True)
    with pytest.raises(ParameterError, match="site is not in the checkpoint"):
        built(models["llama"], {"address": str(place), "layer": 1}, tmp_path / "s.zarr")
    place = sparsify(tmp_path / "wide", "layers.1.mlp.down_proj", transcode=True)
    with pytest.raises(
        saegeom_data.errors.DataValueError, match=r"reads 16 dimensions, and layers\.1\.mlp\.down_proj\.input"
    ):
        built(models["llama"], {"address": str(place)}, tmp_path / "s.zarr")
