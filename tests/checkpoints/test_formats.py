"""Codes and decoders of imported SAEs against SAELens and sparsify, which save them, or by documented keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

torch = pytest.importorskip("torch")

from random_weights import randomise  # noqa: E402
from sae_libraries import library  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

import saegeom_data  # noqa: E402
from saegeom_data.checkpoints import Encoder, import_checkpoints, open_checkpoint  # noqa: E402
from saegeom_data.errors import DataValueError, ParameterError, StoreError, UnknownNameError  # noqa: E402

HIDDEN, FEATURES, K = 24, 96, 8
HOOK = "blocks.5.hook_resid_post"
SAID = {"model": "gpt2", "site": HOOK, "l0": 8, "layer": 5}
Codes = Callable[[Any], Any]


def activations() -> Any:
    return torch.randn(64, HIDDEN, generator=torch.Generator().manual_seed(1)) * 2 + 0.3


def assert_exact(path: Path, codes: Codes, decoder: Any, decode: Codes | None = None, **said: Any) -> xr.Dataset:
    """Codes within 1e-5 of the library's and neither all zero nor all on; the decoder bit for bit."""
    opened = open_checkpoint(path, encoder=True, **said)
    x = activations()
    with torch.no_grad():
        expected = codes(x)
    share = float((expected != 0).float().mean())
    assert 0.02 < share < 0.98
    torch.testing.assert_close(Encoder(opened)(x), expected, rtol=0, atol=1e-5)
    if decode is not None:
        with torch.no_grad():
            torch.testing.assert_close(Encoder(opened).reconstruct(x)[1], decode(expected), rtol=1e-5, atol=1e-5)
    values = decoder.detach().numpy()
    assert opened.decoder.dtype == values.dtype
    assert opened.decoder.values.tobytes() == np.ascontiguousarray(values).tobytes()
    assert open_checkpoint(path, **said).decoder.identical(opened.decoder)
    return opened


def sae_of(architecture: str, **options: Any) -> Any:
    sae_class, config_class = library("sae_lens.registry").get_sae_class(architecture)
    metadata = library("sae_lens.saes.sae").SAEMetadata(model_name="google/gemma-2-2b", hook_name=HOOK)
    return randomise(sae_class(config_class(d_in=HIDDEN, d_sae=FEATURES, metadata=metadata, **options)))


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("standard", {}),
        ("standard", {"apply_b_dec_to_input": False, "normalize_activations": "layer_norm"}),
        ("standard", {"normalize_activations": "constant_norm_rescale"}),
        ("topk", {"k": K}),
        ("topk", {"k": K, "rescale_acts_by_decoder_norm": True}),
        ("abstopk", {"k": K}),
        ("gated", {}),
        ("jumprelu", {}),
        ("transcoder", {"d_out": HIDDEN, "apply_b_dec_to_input": False}),
        *(
            ("transcoder", {"d_out": HIDDEN, "apply_b_dec_to_input": False, "normalize_activations": normalisation})
            for normalisation in ("layer_norm", "constant_norm_rescale")
        ),
        ("skip_transcoder", {"d_out": HIDDEN, "apply_b_dec_to_input": False}),
        ("jumprelu_transcoder", {"d_out": HIDDEN, "apply_b_dec_to_input": False}),
        ("jumprelu_skip_transcoder", {"d_out": HIDDEN, "apply_b_dec_to_input": False}),
    ],
)
def test_saelens(architecture: str, options: dict[str, Any], tmp_path: Path) -> None:
    sae = sae_of(architecture, **options)
    sae.save_model(tmp_path / "sae")
    loaded = library("sae_lens").SAE.load_from_disk(tmp_path / "sae")
    decode = None if "skip" in architecture else loaded.decode
    opened = assert_exact(tmp_path / "sae", loaded.encode, loaded.W_dec, decode, l0=8)
    if decode is None:
        with pytest.raises(DataValueError, match="has a skip connection, which is not imported"):
            Encoder(opened).reconstruct(activations())
    assert opened.attrs["format"] == "saelens"
    assert opened.attrs["architecture"] == architecture
    assert opened.attrs["input_normalisation"] == options.get("normalize_activations", "none")
    assert opened.attrs["input_module"] == "model.layers.5.output"
    assert (opened.site.item(), opened.layer.item(), opened.attrs["model"]) == (HOOK, 5, "google/gemma-2-2b")
    assert opened.attrs.get("skip_connection", False) == ("skip" in architecture)


@pytest.mark.parametrize("architecture", ["batchtopk", "matryoshka_batchtopk"])
@pytest.mark.parametrize("rescale", [False, True])
def test_saelens_keeps_the_kind_of_training(architecture: str, rescale: bool, tmp_path: Path) -> None:
    training_class, config_class = library("sae_lens.registry").get_sae_training_class(architecture)
    options = {"matryoshka_widths": [32, FEATURES]} if "matryoshka" in architecture else {}
    metadata = library("sae_lens.saes.sae").SAEMetadata(model_name="gpt2", hook_name=HOOK)
    sae = randomise(
        training_class(
            config_class(
                d_in=HIDDEN, d_sae=FEATURES, k=K, metadata=metadata, rescale_acts_by_decoder_norm=rescale, **options
            )
        )
    )
    sae.save_model(tmp_path / "training")
    sae.save_inference_model(tmp_path / "inference")
    loaded = library("sae_lens").SAE.load_from_disk(tmp_path / "inference")
    opened = assert_exact(tmp_path / "inference", loaded.encode, loaded.W_dec)
    assert (opened.attrs["architecture"], opened.l0.item(), opened.attrs["l0_source"]) == (architecture, K, "k")
    # While it is trained its decoder norms are not folded yet; its codes are the same.
    unfinished = open_checkpoint(tmp_path / "training", encoder=True)
    assert unfinished.attrs["architecture"] == architecture
    torch.testing.assert_close(Encoder(unfinished)(activations()), loaded.encode(activations()), rtol=1e-5, atol=1e-5)


def test_saelens_before_version_6(tmp_path: Path) -> None:
    sae = sae_of("topk", k=K)
    sae.save_model(tmp_path)
    weights = {name: tensor.detach() for name, tensor in sae.state_dict().items()}
    save_file(weights | {"scaling_factor": torch.ones(FEATURES)}, tmp_path / "sae_weights.safetensors")
    old = {"hook_point": HOOK, "hook_point_layer": 5, "model_name": "gpt2-small", "activation_fn_str": "topk"}
    old |= {"activation_fn_kwargs": {"k": K}, "d_in": HIDDEN, "d_sae": FEATURES, "dtype": "float32"}
    (tmp_path / "cfg.json").write_text(json.dumps(old | {"normalize_activations": False}))
    loaded = library("sae_lens").SAE.load_from_disk(tmp_path)
    opened = assert_exact(tmp_path, loaded.encode, loaded.W_dec)
    assert (opened.attrs["architecture"], opened.attrs["output_module"]) == ("topk", "transformer.h.5.output")
    assert "scaling_factor" not in opened
    fine_tuned = torch.linspace(0.5, 1.5, FEATURES)
    save_file(weights | {"scaling_factor": fine_tuned}, tmp_path / "sae_weights.safetensors")
    np.testing.assert_array_equal(open_checkpoint(tmp_path, encoder=True).scaling_factor, fine_tuned.numpy())


def test_saelens_takes_l0_from_saved_firing_rates(tmp_path: Path) -> None:
    sae_of("standard").save_model(tmp_path)
    rates = torch.rand(FEATURES, generator=torch.Generator().manual_seed(0))
    save_file({"sparsity": rates.log10()}, tmp_path / "sparsity.safetensors")
    opened = open_checkpoint(tmp_path)
    assert opened.l0.item() == pytest.approx(float(rates.sum()), rel=1e-5)
    assert opened.attrs["l0_source"] == "sparsity.safetensors"


def test_saelens_that_encodes_by_a_search_gives_its_decoder_only(tmp_path: Path) -> None:
    sae = sae_of("matching_pursuit")
    sae.save_model(tmp_path)
    opened = open_checkpoint(tmp_path, l0=8)
    np.testing.assert_array_equal(opened.decoder, sae.W_dec.detach().numpy())
    with pytest.raises(ParameterError, match="no encoder in it or beside it .*matching_pursuit.*; leave out --encoder"):
        open_checkpoint(tmp_path, encoder=True, l0=8)
    with pytest.raises(ParameterError, match="nothing says how it encodes .*matching_pursuit"):
        Encoder(opened)
    config = json.loads((tmp_path / "cfg.json").read_text())
    (tmp_path / "cfg.json").write_text(json.dumps(config | {"architecture": "jumpreloo"}))
    with pytest.raises(UnknownNameError, match="did you mean 'jumprelu'"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"expansion_factor": FEATURES // HIDDEN},
        {"num_latents": FEATURES, "activation": "groupmax"},
        {"num_latents": FEATURES, "transcode": True, "skip_connection": True},
    ],
)
def test_sparsify(options: dict[str, Any], tmp_path: Path) -> None:
    sparsify = library("sparsify")
    coder = randomise(sparsify.SparseCoder(HIDDEN, sparsify.SparseCoderConfig(k=K, **options)))
    folder = tmp_path / ("layers.5.mlp" if options.get("transcode") else "layers.5")
    coder.save_to_disk(folder)
    (tmp_path / "config.json").write_text(json.dumps({"model": "meta-llama/Llama-3.1-8B"}))

    def codes(x: Any) -> Any:
        kept = coder.encode(x)
        return torch.zeros(len(x), FEATURES).scatter(-1, kept.top_indices, kept.top_acts)

    site = {"site": "blocks.5.hook_mlp_out"} if options.get("transcode") else {}
    opened = assert_exact(folder, codes, coder.W_dec, **site)
    assert (opened.attrs["format"], opened.l0.item(), opened.layer.item()) == ("sparsify", K, 5)
    assert opened.attrs["model"] == "meta-llama/Llama-3.1-8B"
    assert opened.attrs["output_module"] == f"{folder.name}.output"
    (folder / "cfg.json").unlink()
    with pytest.raises(StoreError, match=r"no k in a cfg\.json"):
        open_checkpoint(folder)


def linear(state: dict[str, Any], encoder: str = "encoder.weight") -> None:
    state[encoder] = torch.empty(FEATURES, HIDDEN)
    state[encoder.replace("encoder", "decoder")] = torch.empty(HIDDEN, FEATURES)


def matrices(state: dict[str, Any]) -> None:
    state.update(W_enc=torch.empty(HIDDEN, FEATURES), W_dec=torch.empty(FEATURES, HIDDEN))


def vectors(state: dict[str, Any], features: str = "", hidden: str = "") -> None:
    state.update({name: torch.empty(FEATURES) for name in features.split()})
    state.update({name: torch.empty(HIDDEN) for name in hidden.split()})


def filled(*parts: tuple[Callable[..., None], tuple[str, ...]], **scalars: Any) -> dict[str, Any]:
    """The keys that a library documents, with values."""
    state: dict[str, Any] = {}
    for part, names in parts:
        part(state, *names)
    generator = torch.Generator().manual_seed(0)
    for tensor in state.values():
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.5)
    return state | {name: torch.tensor(value) for name, value in scalars.items()}


def top(values: Any) -> Any:
    kept = values.topk(K, dim=-1)
    return torch.zeros_like(values).scatter(-1, kept.indices, kept.values)


def test_sparsify_that_keeps_both_signs(tmp_path: Path) -> None:
    state = filled((linear, ()), (vectors, ("encoder.bias", "b_dec")))
    weights = {"W_dec" if name == "decoder.weight" else name: tensor for name, tensor in state.items()}
    weights["W_dec"] = weights["W_dec"].T.contiguous()
    folder = tmp_path / "layers.5"
    folder.mkdir()
    save_file(weights, folder / "sae.safetensors")
    config = {"d_in": HIDDEN, "num_latents": FEATURES, "k": K, "signed": True, "normalize_decoder": True}
    (folder / "cfg.json").write_text(json.dumps(config))

    def codes(x: Any) -> Any:
        pre = (x - state["b_dec"]) @ state["encoder.weight"].T + state["encoder.bias"]
        kept = pre.abs().topk(K, dim=-1).indices
        return torch.zeros_like(pre).scatter(-1, kept, pre.gather(-1, kept))

    opened = assert_exact(folder, codes, weights["W_dec"], model="gpt2")
    assert opened.attrs["activation_function"] == "abstopk"
    assert (Encoder(opened)(activations()) < 0).any()


def with_short_columns(state: dict[str, Any]) -> dict[str, Any]:
    return state | {"decoder.weight": state["decoder.weight"] / 5}


def encode_with_norms_folded(state: dict[str, Any], x: Any) -> Any:
    """As an AutoEncoder of dictionary_learning, whose from_pretrained folds norms of the decoder into the encoder."""
    norms = state["decoder.weight"].norm(dim=0)
    weight, bias = state["encoder.weight"] * norms[:, None], state["encoder.bias"] * norms
    return ((x - state["bias"]) @ weight.T + bias).relu()


ENCODER, BIASES = "encoder.weight", ("b_enc", "b_dec")
# Keys and encode of the classes of dictionary_learning 0.1; tests/harvest/saes holds codes against its own code.
DICTIONARIES: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any], Any], Any], str]] = {
    "AutoEncoder": (
        with_short_columns(filled((linear, ()), (vectors, ("encoder.bias", "bias")))),
        encode_with_norms_folded,
        "standard",
    ),
    "AutoEncoderNew": (
        filled((linear, ()), (vectors, ("encoder.bias", "decoder.bias"))),
        lambda s, x: (x @ s[ENCODER].T + s["encoder.bias"]).relu(),
        "standard",
    ),
    "GatedAutoEncoder": (
        filled((linear, ()), (vectors, ("r_mag gate_bias mag_bias", "decoder_bias"))),
        lambda s, x: (
            ((x - s["decoder_bias"]) @ s[ENCODER].T + s["gate_bias"] > 0)
            * (s["r_mag"].exp() * ((x - s["decoder_bias"]) @ s[ENCODER].T) + s["mag_bias"]).relu()
        ),
        "gated",
    ),
    "AutoEncoderTopK": (
        filled((linear, ()), (vectors, ("encoder.bias", "b_dec")), k=K, threshold=5.0),
        lambda s, x: top(((x - s["b_dec"]) @ s[ENCODER].T + s["encoder.bias"]).relu()),
        "topk",
    ),
    "BatchTopKSAE": (
        filled((linear, ()), (vectors, ("encoder.bias", "b_dec")), k=K, threshold=0.7),
        lambda s, x: (p := ((x - s["b_dec"]) @ s[ENCODER].T + s["encoder.bias"]).relu()) * (p > 0.7),
        "batchtopk",
    ),
    "MatryoshkaBatchTopKSAE": (
        filled((matrices, ()), (vectors, BIASES), k=K, threshold=0.7, group_sizes=[32, 64]),
        lambda s, x: (p := ((x - s["b_dec"]) @ s["W_enc"] + s["b_enc"]).relu()) * (p > 0.7),
        "matryoshka_batchtopk",
    ),
    "JumpReluAutoEncoder": (
        filled((matrices, ()), (vectors, ("b_enc threshold", "b_dec"))),
        lambda s, x: (p := x @ s["W_enc"] + s["b_enc"]).relu() * (p > s["threshold"]),
        "jumprelu",
    ),
}


@pytest.mark.parametrize("name", DICTIONARIES)
def test_dictionary_learning(name: str, tmp_path: Path) -> None:
    state, encode, architecture = DICTIONARIES[name]
    torch.save(state, tmp_path / "ae.pt")
    trainer = {
        "dict_class": name,
        "lm_name": "EleutherAI/pythia-70m",
        "layer": 3,
        "submodule_name": "resid_post_layer_3",
    }
    (tmp_path / "config.json").write_text(json.dumps({"trainer": trainer}))
    decoder = state["W_dec"] if "W_dec" in state else state["decoder.weight"].T
    opened = assert_exact(tmp_path, lambda x: encode(state, x), decoder, **({} if "k" in state else {"l0": 8}))
    if name == "AutoEncoder":
        unit = decoder / decoder.norm(dim=-1, keepdim=True)
        codes, decoded = Encoder(opened).reconstruct(activations())
        torch.testing.assert_close(decoded, codes @ unit + state["bias"], rtol=1e-5, atol=1e-5)
    assert (opened.attrs["architecture"], opened.attrs["dict_class"], opened.l0.item()) == (architecture, name, K)
    assert (opened.site.item(), opened.attrs["output_module"]) == (
        "blocks.3.hook_resid_post",
        "gpt_neox.layers.3.output",
    )
    (tmp_path / "config.json").unlink()
    if name in ("AutoEncoderTopK", "BatchTopKSAE"):
        with pytest.raises(StoreError, match="fit AutoEncoderTopK and BatchTopKSAE alike"):
            open_checkpoint(tmp_path, **SAID)
    else:
        assert open_checkpoint(tmp_path, **SAID).attrs["dict_class"] == name
    (tmp_path / "config.json").write_text(json.dumps({"trainer": trainer | {"dict_class": "IdentityDict"}}))
    with pytest.raises(StoreError, match=f"says 'IdentityDict', its keys fit .*{name}"):
        open_checkpoint(tmp_path)


def test_gemma_scope(tmp_path: Path) -> None:
    state = filled((matrices, ()), (vectors, ("b_enc threshold", "b_dec")))
    folder = tmp_path / "gemma-scope-2b-pt-res" / "layer_12" / "width_16k" / "average_l0_82"
    folder.mkdir(parents=True)
    np.savez(folder / "params.npz", **{name: tensor.numpy() for name, tensor in state.items()})
    opened = assert_exact(
        tmp_path, lambda x: (p := x @ state["W_enc"] + state["b_enc"]).relu() * (p > state["threshold"]), state["W_dec"]
    )
    assert (opened.attrs["model"], opened.attrs["architecture"]) == ("google/gemma-2-2b", "jumprelu")
    assert (opened.site.item(), opened.layer.item(), opened.l0.item()) == ("blocks.12.hook_resid_post", 12, 82)


def test_gemma_scope_of_embeddings_and_transcoders(tmp_path: Path) -> None:
    state = filled((matrices, ()), (vectors, ("b_enc threshold", "b_dec")))
    folders = (
        "gemma-scope-2b-pt-res/embedding/width_4k/average_l0_6",
        "gemma-scope-2b-pt-transcoders/layer_3/width_16k/average_l0_8",
    )
    for name in folders:
        (tmp_path / name).mkdir(parents=True)
        np.savez(tmp_path / name / "params.npz", **{name: tensor.numpy() for name, tensor in state.items()})
    # SAELens divides the encoder by the root of the size instead of the input, and multiplies the decoder.
    root = HIDDEN**0.5
    opened = assert_exact(
        tmp_path / folders[0],
        lambda x: (p := x @ (state["W_enc"] / root) + state["b_enc"]).relu() * (p > state["threshold"]),
        state["W_dec"],
        lambda codes: (codes @ state["W_dec"] + state["b_dec"]) * root,
    )
    assert (opened.site.item(), opened.layer.item()) == ("hook_embed", 0)
    opened = open_checkpoint(tmp_path / folders[1])
    assert (opened.attrs["architecture"], opened.site.item()) == ("jumprelu_transcoder", "blocks.3.hook_mlp_out")
    assert opened.attrs["input_hook"] == "blocks.3.ln2.hook_normalized"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gemma_scope_2(dtype: Any, tmp_path: Path) -> None:
    pytest.importorskip("ml_dtypes")
    state = filled((matrices, ()), (vectors, ("b_enc threshold", "b_dec")))
    state = {name.lower(): tensor.to(dtype) for name, tensor in state.items()}
    folder = tmp_path / "gemma-scope-2-1b-pt" / "resid_post" / "layer_17_width_16k_l0_medium"
    folder.mkdir(parents=True)
    save_file(state, folder / "params.safetensors")
    exact = {name: tensor.float() for name, tensor in state.items()}
    codes = lambda x: (p := x @ exact["w_enc"] + exact["b_enc"]).relu() * (p > exact["threshold"])  # noqa: E731
    opened = assert_exact(folder, codes, exact["w_dec"], l0=60)
    assert opened.attrs["source_dtype"] == str(dtype).removeprefix("torch.")
    assert (opened.attrs["model"], opened.site.item()) == ("google/gemma-3-1b-pt", "blocks.17.hook_resid_post")
    config = {"hf_hook_point_in": "model.layers.17.output", "model_name": "gemma-3-1b-pt", "l0": 60, "width": FEATURES}
    (folder / "config.json").write_text(json.dumps(config))
    opened = open_checkpoint(folder)
    assert (opened.l0.item(), opened.attrs["output_module"]) == (60, "model.layers.17.output")
    (folder / "config.json").write_text(json.dumps(config | {"l0": True}))
    with pytest.raises(StoreError, match=r"config\.json: l0: got true, expected a number"):
        open_checkpoint(folder)
    (folder / "config.json").write_text(json.dumps(config | {"affine_connection": True}))
    with pytest.raises(StoreError, match="config.json says affine_connection, and no affine_skip_connection is in it"):
        open_checkpoint(folder)


def test_a_skip_connection_that_is_not_there_is_refused(tmp_path: Path) -> None:
    state = filled((matrices, ()), (vectors, BIASES))
    config = {
        "architecture": "skip_transcoder",
        "metadata": {"model_name": "gpt2", "hook_name": "blocks.1.mlp.hook_in"},
    }
    (tmp_path / "cfg.json").write_text(json.dumps(config))
    save_file(state, tmp_path / "sae_weights.safetensors")
    with pytest.raises(StoreError, match=r"cfg\.json says skip_transcoder, and no W_skip is in it"):
        open_checkpoint(tmp_path, l0=3)
    linears = filled((linear, ()), (vectors, ("encoder.bias", "b_dec")))
    linears["W_dec"] = linears.pop("decoder.weight").T.contiguous()
    (tmp_path / "layers.1").mkdir()
    (tmp_path / "layers.1" / "cfg.json").write_text(json.dumps({"k": K, "skip_connection": True}))
    save_file(linears, tmp_path / "layers.1" / "sae.safetensors")
    with pytest.raises(StoreError, match=r"cfg\.json says skip_connection, and no W_skip is in it"):
        open_checkpoint(tmp_path / "layers.1", model="gpt2")


def test_qwen_scope(tmp_path: Path) -> None:
    state = filled((linear, ()), (vectors, BIASES))
    state |= {"W_enc": state.pop("encoder.weight"), "W_dec": state.pop("decoder.weight")}
    folder = tmp_path / "SAE-Res-Qwen3-8B-Base-W64K-L0_8"
    folder.mkdir()
    torch.save(state, folder / "layer12.sae.pt")
    opened = assert_exact(folder, lambda x: top(x @ state["W_enc"].T + state["b_enc"]).relu(), state["W_dec"].T)
    assert (opened.attrs["model"], opened.l0.item(), opened.layer.item()) == ("Qwen/Qwen3-8B-Base", K, 12)
    assert opened.attrs["output_module"] == "model.layers.12.output"
    (folder / "layer12.sae.pt").rename(tmp_path / "layer12.sae.pt")
    with pytest.raises(ParameterError, match="got no k, the number of features .* from the folder or repository"):
        Encoder(open_checkpoint(tmp_path / "layer12.sae.pt", encoder=True, model="qwen3", l0=K))


def test_llama_scope_as_saelens_converts_it(tmp_path: Path) -> None:
    state = filled((linear, ()), (vectors, ("encoder.bias", "decoder.bias")))
    folder = tmp_path / "Llama3_1-8B-Base-L5R-8x"
    (folder / "checkpoints").mkdir(parents=True)
    weights = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(weights, folder / "checkpoints" / "final.safetensors")
    hyperparams = {"jump_relu_threshold": 0.5, "dataset_average_activation_norm": {"in": 12.0, "out": 12.0}}
    hyperparams |= {"hook_point_in": HOOK, "d_model": HIDDEN, "d_sae": FEATURES, "top_k": 50}
    # SAELens leaves out the norms of the decoder rows, by which pre-activations are multiplied without this key.
    # As published; SAELens leaves it out of account too.
    hyperparams |= {"sparsity_include_decoder_norm": True}
    (folder / "hyperparams.json").write_text(json.dumps(hyperparams))
    scale = HIDDEN**0.5 / 12.0
    sae = sae_of("jumprelu", apply_b_dec_to_input=False, normalize_activations="expected_average_only_in")
    sae.load_state_dict(
        {
            "W_enc": state["encoder.weight"].T,
            "W_dec": state["decoder.weight"].T,
            "b_enc": state["encoder.bias"],
            "b_dec": state["decoder.bias"],
            "threshold": torch.full((FEATURES,), 0.5 * scale),
        }
    )
    sae.fold_activation_norm_scaling_factor(scale)
    opened = assert_exact(folder, sae.encode, state["decoder.weight"].T, sae.decode, l0=50)
    assert opened.attrs["input_scale"] == opened.attrs["output_scale"] == pytest.approx(scale)
    np.testing.assert_allclose(opened.decoder / opened.attrs["output_scale"], sae.W_dec.detach(), rtol=1e-6)
    (folder / "hyperparams.json").unlink()
    with pytest.raises(StoreError, match=r"no readable jump_relu_threshold .* hyperparams\.json"):
        open_checkpoint(folder, l0=50)


@pytest.mark.parametrize("activation", ["TopK", "ReLU"])
def test_openai(activation: str, tmp_path: Path) -> None:
    state = filled((linear, ()), (vectors, ("latent_bias", "pre_bias")))
    saved = state | {"activation": activation, "stats_last_nonzero": torch.zeros(FEATURES, dtype=torch.long)}
    saved |= {"activation_state_dict": {"k": K, "postact_fn": "ReLU"}} if activation == "TopK" else {}
    folder = tmp_path / "gpt2-small" / "resid_delta_mlp_v5_32k" / "autoencoders"
    folder.mkdir(parents=True)
    torch.save(saved, folder / "6.pt")

    def codes(x: Any) -> Any:
        if activation == "TopK":
            x = x - x.mean(dim=-1, keepdim=True)
            x = x / (x.std(dim=-1, keepdim=True) + 1e-5)
        pre = torch.nn.functional.linear(x - state["pre_bias"], state[ENCODER], state["latent_bias"])
        return top(pre).relu() if activation == "TopK" else pre.relu()

    opened = assert_exact(folder, codes, state["decoder.weight"].T, l0=8)
    assert (opened.attrs["model"], opened.site.item(), opened.layer.item()) == ("gpt2", "blocks.6.hook_mlp_out", 6)
    assert opened.attrs["output_module"] == "transformer.h.6.mlp.output"
    if activation == "TopK":
        for k in (True, "8", 0):
            torch.save(saved | {"activation_state_dict": {"k": k}}, folder / "6.pt")
            with pytest.raises(
                StoreError, match=r"6\.pt: activation_state_dict: k: got .*, expected the number of feat"
            ):
                open_checkpoint(folder)


def test_an_imported_sae_encodes_like_the_checkpoint(tmp_path: Path) -> None:
    sae = sae_of("topk", k=K, rescale_acts_by_decoder_norm=True)
    sae.save_model(tmp_path / "sae")
    import_checkpoints([tmp_path / "sae"], tmp_path / "out.zarr", encoder=True)
    with saegeom_data.open(tmp_path / "out.zarr") as tree:
        encoder = Encoder(saegeom_data.select_sae(tree, "layer_5"))
        torch.testing.assert_close(encoder(activations()), sae.encode(activations()), rtol=0, atol=1e-5)


def test_goodfire(tmp_path: Path) -> None:
    state = filled((linear, ("encoder_linear.weight",)), (vectors, ("encoder_linear.bias", "decoder_linear.bias")))
    torch.save(state, tmp_path / "Llama-3.1-8B-Instruct-SAE-l19.pth")
    weight, bias = state["encoder_linear.weight"], state["encoder_linear.bias"]
    opened = assert_exact(tmp_path, lambda x: (x @ weight.T + bias).relu(), state["decoder_linear.weight"].T, l0=91)
    assert (opened.attrs["model"], opened.layer.item()) == ("meta-llama/Llama-3.1-8B-Instruct", 19)


def test_codes_need_the_encoder_and_a_kept_number(tmp_path: Path) -> None:
    state, _, _ = DICTIONARIES["AutoEncoder"]
    torch.save(state, tmp_path / "ae.pt")
    with pytest.raises(DataValueError, match=r"no encoder, encoder_bias, decoder_bias in it; .*--encoder"):
        Encoder(open_checkpoint(tmp_path, **SAID))
    opened = open_checkpoint(tmp_path, encoder=True, **SAID)
    with pytest.raises(ParameterError, match="got k = 97, expected 1 to 96"):
        Encoder(opened.assign_attrs(activation_function="topk", k=97))


def test_bfloat16_pt_is_exact_and_mapped(tmp_path: Path) -> None:
    pytest.importorskip("ml_dtypes")
    state = {name: tensor.bfloat16() for name, tensor in DICTIONARIES["AutoEncoder"][0].items()}
    torch.save(state, tmp_path / "ae.pt")
    opened = open_checkpoint(tmp_path, **SAID)
    np.testing.assert_array_equal(opened.decoder, state["decoder.weight"].T.float().numpy())
    assert (opened.decoder.dtype, opened.attrs["source_dtype"]) == (np.float32, "bfloat16")


def test_an_l0_of_the_configuration_above_the_features_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sae_of("topk", k=K).save_model(tmp_path)
    config = json.loads((tmp_path / "cfg.json").read_text())
    (tmp_path / "cfg.json").write_text(json.dumps(config | {"architecture": "jumprelu", "k": FEATURES + 1}))
    assert open_checkpoint(tmp_path).l0.item() == FEATURES + 1
    assert "l0: got 97 of 96 features x 24 hidden, more than there are, as its configuration says" in caplog.text
