"""Where SAEs read and write, in all words, by format; no weights are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saegeom_data.checkpoints import open_checkpoint
from saegeom_data.checkpoints.architectures import ARCHITECTURES, named_architecture
from saegeom_data.checkpoints.sites import Hook, Site
from saegeom_data.errors import ParameterError

save_file = pytest.importorskip("safetensors.numpy").save_file

FEATURES, HIDDEN = 12, 8
SPARSIFY = {"encoder.weight": "fh", "encoder.bias": "f", "W_dec": "fh", "b_dec": "h"}
LENS = {"W_enc": "hf", "W_dec": "fh", "b_enc": "f", "b_dec": "h"}
SCOPE = LENS | {"threshold": "f"}
SCOPE_2 = {name.lower(): dims for name, dims in SCOPE.items()}
LLAMA_SCOPE = {"encoder.weight": "fh", "encoder.bias": "f", "decoder.weight": "hf", "decoder.bias": "h"}
DICTIONARY = LLAMA_SCOPE | {"bias": "h"}
SCOPE_2_FOLDER = "gemma-scope-2-1b-pt/transcoder/layer_1_width_16k_l0_big"
NORM = {"jump_relu_threshold": 0.1, "dataset_average_activation_norm": {"in": 1.0, "out": 1.0}}


def arrays(dims: dict[str, str]) -> dict[str, Any]:
    sizes = {"f": FEATURES, "h": HIDDEN}
    return {name: np.ones([sizes[dim] for dim in shape], "float32") for name, shape in dims.items()}


def write(folder: Path, file: str, dims: dict[str, str], configs: dict[str, Any]) -> Path:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        np.savez(path, **arrays(dims))
    elif path.suffix in (".pt", ".pth"):
        torch = pytest.importorskip("torch")
        torch.save({name: torch.from_numpy(array) for name, array in arrays(dims).items()}, path)
    else:
        save_file(arrays(dims), path)
    for name, config in configs.items():
        (path.parent / name).write_text(json.dumps(config))
    return path


def sparsify(module: str, transcode: bool, model: str) -> tuple[str, dict[str, str], dict[str, Any]]:
    return (
        f"{module}/sae.safetensors",
        SPARSIFY,
        {"cfg.json": {"k": 4, "transcode": transcode}, "../config.json": {"model": model}},
    )


def saelens(architecture: str = "standard", **metadata: Any) -> tuple[str, dict[str, str], dict[str, Any]]:
    config = {"architecture": architecture, "d_in": HIDDEN, "d_sae": FEATURES, "metadata": metadata}
    return "sae_weights.safetensors", LENS, {"cfg.json": config}


def llama_scope(**hooks: str) -> tuple[str, dict[str, str], dict[str, Any]]:
    file = "Llama3_1-8B-Base-L8TC-8x/checkpoints/final.safetensors"
    return file, LLAMA_SCOPE, {"../hyperparams.json": NORM | hooks}


def scope(kind: str, layer: str = "layer_3") -> tuple[str, dict[str, str], dict[str, Any]]:
    return f"gemma-scope-2b-pt-{kind}/{layer}/width_16k/average_l0_8/params.npz", SCOPE, {}


def dictionary(module: str, model: str, io: str | None = None) -> tuple[str, dict[str, str], dict[str, Any]]:
    trainer = {"lm_name": model, "layer": 3, "submodule_name": module, "dict_class": "AutoEncoder"}
    dims = {name: dims for name, dims in DICTIONARY.items() if name != "decoder.bias"}
    return "trainer_0/ae.pt", dims, {"config.json": {"trainer": trainer, "buffer": {"io": io} if io else {}}}


GEMMA_2, PYTHIA, LLAMA = "google/gemma-2-2b", "EleutherAI/pythia-70m", "meta-llama/Llama-3.2-1B"
GEMMA_3 = "google/gemma-3-1b-pt"
PRE, POST = "pre_feedforward_layernorm", "post_feedforward_layernorm"
# A checkpoint; hook and module where it reads; hook and module where it writes. None is what nobody says.
CASES: dict[str, tuple[tuple[str, dict[str, str], dict[str, Any]], tuple[str | None, ...]]] = {
    "sparsify transcoder": (
        sparsify("layers.3.mlp", True, LLAMA),
        ("blocks.3.mlp.hook_in", "layers.3.mlp.input", "blocks.3.hook_mlp_out", "layers.3.mlp.output"),
    ),
    "sparsify MLP before a norm": (
        sparsify("layers.3.mlp", False, GEMMA_2),
        ("blocks.3.mlp.hook_out", "layers.3.mlp.output") * 2,
    ),
    "sparsify attention before a norm": (
        sparsify("model.layers.3.self_attn", False, GEMMA_3),
        ("blocks.3.attn.hook_out", "model.layers.3.self_attn.output") * 2,
    ),
    "sparsify norm": (
        sparsify(f"layers.3.{POST}", False, GEMMA_2),
        ("blocks.3.hook_mlp_out", f"layers.3.{POST}.output") * 2,
    ),
    "sparsify block": (sparsify("h.3", False, "gpt2"), ("blocks.3.hook_resid_post", "h.3.output") * 2),
    "sparsify with a seed": (
        (
            "layers.3/seed1/sae.safetensors",
            SPARSIFY,
            {"cfg.json": {"k": 4}, "../../config.json": {"model": PYTHIA}},
        ),
        ("blocks.3.hook_resid_post", "layers.3.output") * 2,
    ),
    "sparsify block of BERT": (
        sparsify("encoder.layer.3", False, "bert-base-uncased"),
        ("blocks.3.hook_resid_post", "encoder.layer.3.output") * 2,
    ),
    "sparsify projection": (
        sparsify("layers.3.self_attn.o_proj", True, LLAMA),
        ("blocks.3.attn.hook_z", "layers.3.self_attn.o_proj.input", None, "layers.3.self_attn.o_proj.output"),
    ),
    "SAELens": (
        saelens(model_name=GEMMA_2, hook_name="blocks.3.hook_mlp_out"),
        ("blocks.3.hook_mlp_out", f"model.layers.3.{POST}.output") * 2,
    ),
    "SAELens of a transformers model": (
        saelens(model_name="gpt2", hook_name="transformer.h.3.mlp"),
        ("blocks.3.hook_mlp_out", "transformer.h.3.mlp.output") * 2,
    ),
    "SAELens transcoder": (
        saelens(
            "transcoder", model_name=LLAMA, hook_name="blocks.3.mlp.hook_in", hook_name_out="blocks.3.hook_mlp_out"
        ),
        ("blocks.3.mlp.hook_in", "model.layers.3.mlp.input", "blocks.3.hook_mlp_out", "model.layers.3.mlp.output"),
    ),
    "SAELens where hook and module disagree": (
        saelens(
            "jumprelu_transcoder",
            model_name=GEMMA_3,
            hook_name="blocks.3.hook_mlp_in",
            hf_hook_name=f"model.layers.3.{PRE}.output",
            hook_name_out="blocks.3.hook_mlp_out",
            hf_hook_name_out=f"model.layers.3.{POST}.output",
        ),
        (
            "blocks.3.ln2.hook_out",
            f"model.layers.3.{PRE}.output",
            "blocks.3.hook_mlp_out",
            f"model.layers.3.{POST}.output",
        ),
    ),
    "SAELens of one head": (
        saelens(model_name="gpt2", hook_name="blocks.3.attn.hook_z", hook_head_index=2),
        (None, None, None, None),
    ),
    "Llama Scope": (
        llama_scope(hook_point_in="blocks.8.hook_attn_out", hook_point_out="blocks.8.hook_attn_out"),
        ("blocks.8.hook_attn_out", "model.layers.8.self_attn.output") * 2,
    ),
    "Llama Scope transcoder": (
        llama_scope(hook_point_in="blocks.8.ln2.hook_normalized", hook_point_out="blocks.8.hook_mlp_out"),
        (
            "blocks.8.ln2.hook_normalized",
            "model.layers.8.post_attention_layernorm.normalized",
            "blocks.8.hook_mlp_out",
            "model.layers.8.mlp.output",
        ),
    ),
    "Gemma Scope attention": (
        scope("att"),
        ("blocks.3.attn.hook_z", "model.layers.3.self_attn.o_proj.input") * 2,
    ),
    "Gemma Scope embedding": (scope("res", "embedding"), ("hook_embed", "model.layers.0.input") * 2),
    "Gemma Scope transcoder": (
        scope("transcoders"),
        (
            "blocks.3.ln2.hook_normalized",
            f"model.layers.3.{PRE}.normalized",
            "blocks.3.hook_mlp_out",
            f"model.layers.3.{POST}.output",
        ),
    ),
    **{
        f"Gemma Scope 2 transcoder, {'with' if config else 'without'} a configuration": (
            (f"{SCOPE_2_FOLDER}/params.safetensors", SCOPE_2, config),
            (
                "blocks.1.ln2.hook_out",
                f"model.layers.1.{PRE}.output",
                "blocks.1.hook_mlp_out",
                f"model.layers.1.{POST}.output",
            ),
        )
        for config in (
            {},
            {
                "config.json": {
                    "hf_hook_point_in": f"model.layers.1.{PRE}.output",
                    "hf_hook_point_out": f"model.layers.1.{POST}.output",
                }
            },
        )
    },
    "dictionary_learning MLP before a norm": (
        dictionary("mlp_out_layer_3", GEMMA_2),
        ("blocks.3.mlp.hook_out", "model.layers.3.mlp.output") * 2,
    ),
    "dictionary_learning MLP": (
        dictionary("mlp_out_layer_3", PYTHIA, "out"),
        ("blocks.3.hook_mlp_out", "gpt_neox.layers.3.mlp.output") * 2,
    ),
    "dictionary_learning input": (
        dictionary("mlp_layer3", PYTHIA, "in"),
        ("blocks.3.mlp.hook_in", "gpt_neox.layers.3.mlp.input") * 2,
    ),
    "dictionary_learning transcoder": (
        dictionary("mlp_layer_3", PYTHIA, "in_and_out"),
        (
            "blocks.3.mlp.hook_in",
            "gpt_neox.layers.3.mlp.input",
            "blocks.3.hook_mlp_out",
            "gpt_neox.layers.3.mlp.output",
        ),
    ),
    "dictionary_learning of a named module": (
        dictionary("model.layers.3.mlp", LLAMA, "in_and_out"),
        ("blocks.3.mlp.hook_in", "model.layers.3.mlp.input", "blocks.3.hook_mlp_out", "model.layers.3.mlp.output"),
    ),
    "dictionary_learning of a model nobody knows": (
        dictionary("resid_post_layer_3", "acme/large"),
        ("blocks.3.hook_out", None) * 2,
    ),
    "Qwen Scope": (
        ("SAE-Res-Qwen3-8B-Base-W64K-L0_8/layer3.sae.pt", LENS | {"W_enc": "fh", "W_dec": "hf"}, {}),
        ("blocks.3.hook_resid_post", "model.layers.3.output") * 2,
    ),
    "OpenAI": (
        (
            "gpt2-small/mlp_post_act_v5_32k/autoencoders/3.pt",
            {"pre_bias": "h", "latent_bias": "f", "encoder.weight": "fh", "decoder.weight": "hf"},
            {},
        ),
        ("blocks.3.mlp.hook_post", "transformer.h.3.mlp.c_proj.input") * 2,
    ),
    "Goodfire": (
        (
            "Llama-3.1-8B-Instruct-SAE-l19.pth",
            {
                "encoder_linear.weight": "fh",
                "encoder_linear.bias": "f",
                "decoder_linear.weight": "hf",
                "decoder_linear.bias": "h",
            },
            {},
        ),
        ("blocks.19.hook_resid_post", "model.layers.19.output") * 2,
    ),
}
PLACES = ("input_hook", "input_module", "output_hook", "output_module")


@pytest.mark.parametrize("name", CASES)
def test_every_format_says_where_it_reads_and_writes(name: str, tmp_path: Path) -> None:
    (file, dims, configs), expected = CASES[name]
    opened = open_checkpoint(write(tmp_path, file, dims, configs), l0=4)
    assert tuple(opened.attrs.get(place) for place in PLACES) == expected
    transcoder = expected[:2] != expected[2:]
    assert ("transcoder" in opened.attrs["architecture"]) == transcoder
    if any(expected):
        assert opened.site.item() == (expected[2] or expected[3])


def test_the_words_of_the_checkpoint_are_kept(tmp_path: Path) -> None:
    attrs = open_checkpoint(write(tmp_path, *sparsify("layers.3.mlp", True, LLAMA))).attrs
    assert (attrs["source_input"], attrs["source_output"]) == ("layers.3.mlp", "layers.3.mlp")
    attrs = open_checkpoint(write(tmp_path / "lens", *CASES["SAELens where hook and module disagree"][0]), l0=4).attrs
    assert attrs["source_input"] == "blocks.3.hook_mlp_in"


def test_what_is_stated_is_where_an_sae_reads(tmp_path: Path) -> None:
    path = write(tmp_path, *sparsify("layers.3.mlp", True, LLAMA))
    stated = open_checkpoint(path, site="layers.2.mlp.input")
    assert stated.attrs["input_module"] == "layers.2.mlp.input"
    assert stated.site.item() == "blocks.3.hook_mlp_out", "where it writes is known"
    for output in ("blocks.3.hook_mlp_out", "layers.3.mlp.output", "model.layers.3.mlp.output", "layers.3.mlp"):
        assert open_checkpoint(path, site=output).attrs["input_module"] == "layers.3.mlp.input"
    path = write(tmp_path, *sparsify("layers.3", False, LLAMA))
    stated = open_checkpoint(path, site="model.layers.3.mlp.output")
    assert stated.attrs["input_module"] == stated.attrs["output_module"] == "model.layers.3.mlp.output"
    assert stated.site.item() == "model.layers.3.mlp.output"
    assert open_checkpoint(path, site="model.layers.9.output").layer == 9, "the block is that of the site"


def test_a_module_of_unknown_io_is_asked_for(tmp_path: Path) -> None:
    for number, case in enumerate(
        (dictionary("attn_z_layer_3", PYTHIA), dictionary("mlp_layer_3", PYTHIA, "sideways"))
    ):
        with pytest.raises(ParameterError, match="site is not in the checkpoint"):
            open_checkpoint(write(tmp_path / str(number), *case), l0=4)


@pytest.mark.parametrize(
    ("name", "kind"),
    {
        "google/gemma-2b-it": "gemma",
        "gemma-1.1-7b": "gemma",
        "google/gemma-2-2b": "gemma2",
        "gemma-2": "gemma2",
        "google/gemma-3-27b-it": "gemma3_text",
        "google/gemma-3n-E2B": None,
        "meta-llama/Llama-4-Scout": None,
        "meta-llama/Meta-Llama-3-8B": "llama",
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B": "qwen2",
        "Qwen/Qwen2-VL-2B": None,
        "Qwen/Qwen3.5-4B": None,
        "Qwen/Qwen2.5-7B-Instruct": "qwen2",
        "microsoft/phi-2": "phi",
        "microsoft/Phi-3-mini-4k-instruct": "phi3",
        "gpt2-small": "gpt2",
        "vinai/bertweet-base": None,
        "sentence-transformers/all-MiniLM-L6-v2": "bert",
    }.items(),
)
def test_architectures_by_the_names_of_models(name: str, kind: str | None) -> None:
    assert named_architecture(name) is (ARCHITECTURES[kind] if kind else None)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_hooks_and_modules_lead_to_each_other(kind: str) -> None:
    architecture = ARCHITECTURES[kind]
    for hook in [*(f"blocks.7.{hook}" for hook in architecture.hooks), *architecture.outside]:
        module = architecture.module(hook)
        assert module is not None
        back = architecture.hook(module)
        assert back is not None
        assert architecture.module(back) == module
    assert architecture.module("blocks.7.attn.hook_pattern") is None
    assert architecture.hook("vision_tower.encoder.layers.7.mlp.output") is None


def test_a_hook_of_no_known_model_keeps_its_name() -> None:
    site = Site("acme/large", Hook.written("layers.3.mlp"), Hook.written("layers.3"), 3)
    assert site.attrs() == {
        "input_module": "layers.3.mlp.output",
        "source_input": "layers.3.mlp",
        "output_hook": "blocks.3.hook_resid_post",
        "output_module": "layers.3.output",
        "source_output": "layers.3",
    }
