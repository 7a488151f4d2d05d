"""Every key of a configuration, set to another value than its default: applied, refused by name, or without effect."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from saegeom_data.checkpoints import Encoder, open_checkpoint  # noqa: E402
from saegeom_data.checkpoints.configuration import (  # noqa: E402
    dictionary_learning,
    llama_scope,
    model_loading,
    published,
    saelens,
    sparsify,
)
from saegeom_data.checkpoints.configuration.keys import Key, Table  # noqa: E402
from saegeom_data.errors import ParameterError, StoreError  # noqa: E402

HIDDEN, FEATURES, K = 6, 10, 3
HOOK = "blocks.2.hook_resid_post"
SAID = {"model": "gpt2", "site": HOOK, "layer": 2, "l0": 2, "architecture": "own"}
Config = dict[str, Any]


def drawn(*shape: int, seed: int) -> Any:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


W_ENC, W_DEC = drawn(HIDDEN, FEATURES, seed=0), drawn(FEATURES, HIDDEN, seed=1)
B_ENC, B_DEC, X = drawn(FEATURES, seed=2), drawn(HIDDEN, seed=3), drawn(40, HIDDEN, seed=4) * 3 + 0.5
THRESHOLD = 0.3
LINEAR = {"encoder.weight": W_ENC.T, "encoder.bias": B_ENC, "decoder.weight": W_DEC.T, "decoder.bias": B_DEC}


def saved(tensors: Mapping[str, Any], file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    return file.parent


def noted(file: Path, config: Config) -> None:
    file.write_text(json.dumps(config))


def write_saelens(folder: Path, settings: Config, metadata: Config) -> Path:
    place = saved({"W_enc": W_ENC, "W_dec": W_DEC, "b_enc": B_ENC, "b_dec": B_DEC}, folder / "sae_weights.safetensors")
    base = {"architecture": "standard", "apply_b_dec_to_input": True, "normalize_activations": "none"}
    about = {"model_name": "gpt2", "hook_name": HOOK, "sae_lens_version": "6.0.0"}
    noted(folder / "cfg.json", base | {"metadata": about | metadata} | settings)
    return place


def write_old_saelens(folder: Path, settings: Config, _: Config) -> Path:
    place = write_saelens(folder, {}, {})
    noted(folder / "cfg.json", {"model_name": "gpt2", "hook_point": HOOK, "sae_lens_version": "2.1.3"} | settings)
    return place


def write_sparsify(folder: Path, settings: Config, run: Config) -> Path:
    parts = {"encoder.weight": W_ENC.T, "encoder.bias": B_ENC, "W_dec": W_DEC, "b_dec": B_DEC}
    place = saved(parts, folder / "layers.2" / "sae.safetensors")
    noted(place / "cfg.json", {"d_in": HIDDEN, "num_latents": FEATURES, "k": K} | settings)
    noted(folder / "config.json", {"model": "gpt2"} | run)
    return place


def write_dictionary(folder: Path, trainer: Config, buffer: Config) -> Path:
    folder.mkdir()
    weights = {"encoder.weight": W_ENC.T, "encoder.bias": B_ENC, "decoder.weight": W_DEC.T, "bias": B_DEC}
    torch.save({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "ae.pt")
    about = {"dict_class": "AutoEncoder", "lm_name": "gpt2", "layer": 2, "submodule_name": "resid_post_layer_2"}
    noted(folder / "config.json", {"trainer": about | trainer, "buffer": {"io": "out"} | buffer})
    return folder


def write_llama_scope(folder: Path, settings: Config, _: Config) -> Path:
    place = saved(LINEAR, folder / "checkpoints" / "final.safetensors")
    norms = {"in": 4.0, "out": 5.0}
    base = {"hook_point_in": HOOK, "act_fn": "jumprelu", "jump_relu_threshold": THRESHOLD, "top_k": K}
    base |= {"norm_activation": "dataset-wise", "dataset_average_activation_norm": norms}
    noted(folder / "hyperparams.json", base | settings)
    return place


def write_gemma_scope_2(folder: Path, settings: Config, _: Config) -> Path:
    threshold = torch.full((FEATURES,), THRESHOLD)
    weights = {"w_enc": W_ENC, "w_dec": W_DEC, "b_enc": B_ENC, "b_dec": B_DEC, "threshold": threshold}
    place = saved(weights, folder / "params.safetensors")
    noted(folder / "config.json", {"architecture": "jump_relu", "type": "sae", "l0": 10} | settings)
    return place


def write_openai(folder: Path, settings: Config, state: Config) -> Path:
    folder.mkdir()
    weights = {"pre_bias": B_DEC, "latent_bias": B_ENC, "encoder.weight": W_ENC.T, "decoder.weight": W_DEC.T}
    about = {"activation": "TopK", "activation_state_dict": {"k": K} | state} | settings
    torch.save({name: tensor.contiguous() for name, tensor in weights.items()} | about, folder / "2.pt")
    return folder


# Of each format: how a checkpoint is written with some keys changed, and the tables of its objects, by what the names
# of keys begin with in messages.
Writer = Callable[[Path, Config, Config], Path]
WRITERS: dict[str, tuple[Writer, tuple[tuple[str, Table], ...], str]] = {
    "saelens": (write_saelens, (("", saelens.KEYS), ("metadata.", saelens.KEYS)), "cfg.json"),
    "saelens before 6": (write_old_saelens, (("", saelens.KEYS),), "cfg.json"),
    "sparsify": (write_sparsify, (("", sparsify.KEYS), ("run.", sparsify.RUN_KEYS)), "config.json|cfg.json"),
    "dictionary-learning": (
        write_dictionary,
        (("trainer.", dictionary_learning.TRAINER_KEYS), ("buffer.", dictionary_learning.BUFFER_KEYS)),
        "config.json",
    ),
    "llama-scope": (write_llama_scope, (("", llama_scope.KEYS),), "hyperparams.json"),
    "gemma-scope-2": (write_gemma_scope_2, (("", published.GEMMA_SCOPE_2_KEYS),), "config.json"),
    "openai": (
        write_openai,
        (("", published.OPENAI_KEYS), ("activation_state_dict.", published.OPENAI_ACTIVATION_KEYS)),
        "2.pt",
    ),
}
OBJECTS = [(name, number) for name, (_, tables, _) in WRITERS.items() for number in range(len(tables))]


def opened(format: str, folder: Path, number: int = 0, **keys: Any) -> xr.Dataset:
    """Checkpoint of a format with some keys of one of its objects changed."""
    objects: list[Config] = [{}, {}]
    objects[number] = keys
    return open_checkpoint(WRITERS[format][0](folder, *objects), encoder=True, **SAID)


def codes(sae: xr.Dataset) -> Any:
    return Encoder(sae)(X)


def other(key: Key) -> Any:
    """A value that is not the default, nor one that is applied."""
    if isinstance(key.default, bool) and not key.values:
        return not key.default
    return 7 if key.default is None or isinstance(key.default, int | float) else "another"


@pytest.mark.parametrize(("format", "number"), OBJECTS)
def test_codes_do_not_depend_on_keys_without_effect(format: str, number: int, tmp_path: Path) -> None:
    _, table = WRITERS[format][1][number]
    keys = {name: other(key) for name, key in table.items() if key.effect in ("none", "recorded")}
    sae = opened(format, tmp_path / "changed", number, **keys)
    expected = codes(opened(format, tmp_path / "plain"))
    assert 0.05 < float((expected != 0).float().mean()) < 0.95
    torch.testing.assert_close(codes(sae), expected, rtol=0, atol=0)
    recorded = {name for name, key in table.items() if key.effect == "recorded"}
    # SAELens has its keys on tokens in metadata, from version 6.
    if recorded and (format, number) != ("saelens", 0):
        assert set(json.loads(sae.attrs["trained_on"])) == recorded


REFUSED = [
    (format, number, name)
    for format, number in OBJECTS
    for name, key in WRITERS[format][1][number][1].items()
    if key.effect == "refused" or key.values
]


@pytest.mark.parametrize(("format", "number", "name"), REFUSED)
def test_what_is_not_applied_is_refused_by_file_and_key(format: str, number: int, name: str, tmp_path: Path) -> None:
    prefix, table = WRITERS[format][1][number]
    value = other(table[name])
    sae = opened(format, tmp_path / "changed", number, **{name: value})
    assert sae.decoder.shape == (FEATURES, HIDDEN), "the decoder alone can be read"
    np.testing.assert_array_equal(sae.decoder, W_DEC.numpy())
    assert f"{prefix}{name}" in json.loads(sae.attrs["unsupported_settings"])
    if sae.attrs["activation_function"] != "unknown":
        sentence = rf"({WRITERS[format][2]}): {prefix}{name} is {re.escape(repr(value))}, \w+"
        with pytest.raises(ParameterError, match=sentence) as caught:
            Encoder(sae)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("format", "number"), OBJECTS)
def test_an_unknown_key_is_refused_by_name_unless_it_says_nothing(format: str, number: int, tmp_path: Path) -> None:
    prefix, _ = WRITERS[format][1][number]
    silent = dict.fromkeys(("rotate_activations", "whiten"), None) | {"glue": False, "mode": "none", "parts": []}
    torch.testing.assert_close(
        codes(opened(format, tmp_path / "silent", number, **silent)), codes(opened(format, tmp_path / "plain"))
    )
    sae = opened(format, tmp_path / "loud", number, rotate_activations=True)
    with pytest.raises(ParameterError, match=rf"{prefix}rotate_activations is True, a key that is not known"):
        Encoder(sae)


# Values that are applied, with codes by the formula of the library's own source.
def relu_codes(x: Any, bias: Any = B_DEC) -> Any:
    return ((x - bias) @ W_ENC + B_ENC).relu()


def scoped(x: Any, scale: float = 1.0, *, kept: Callable[[Any], Any]) -> Any:
    """Codes of Llama Scope: a gate on pre-activations of scaled activations."""
    linear = x * scale @ W_ENC + B_ENC
    return linear.relu() * kept(linear)


def top(linear: Any) -> Any:
    return linear >= linear.topk(K, dim=-1).values[:, -1:]


ROOT = HIDDEN**0.5
APPLIED: dict[str, tuple[str, int, Config, Callable[[], Any]]] = {
    "saelens: centred": (
        "saelens",
        1,
        {"model_from_pretrained_kwargs": {"center_writing_weights": True, "fold_ln": True}},
        lambda: relu_codes(X - X.mean(dim=-1, keepdim=True)),
    ),
    "saelens before 6: centred": (
        "saelens before 6",
        0,
        {"model_from_pretrained_kwargs": {"center_writing_weights": True}},
        lambda: relu_codes(X - X.mean(dim=-1, keepdim=True)),
    ),
    "saelens: decoder bias": ("saelens", 0, {"apply_b_dec_to_input": False}, lambda: relu_codes(X, 0)),
    "saelens: constant norm": (
        "saelens",
        0,
        {"normalize_activations": "constant_norm_rescale"},
        lambda: relu_codes(X * ROOT / X.norm(dim=-1, keepdim=True)),
    ),
    "saelens before 6: without normalisation": (
        "saelens before 6",
        0,
        {"normalize_activations": False, "hook_point_head_index": None},
        lambda: relu_codes(X),
    ),
    "sparsify: transcode": (
        "sparsify",
        0,
        {"transcode": True},
        lambda: (linear := X @ W_ENC + B_ENC).relu() * top(linear),
    ),
    # A threshold for activations as the model gives them. Norms of the decoder do nothing to it.
    "llama-scope: norms": (
        "llama-scope",
        0,
        {"sparsity_include_decoder_norm": True},
        lambda: scoped(X, ROOT / 4, kept=lambda linear: linear / (ROOT / 4) > THRESHOLD),
    ),
    "llama-scope: token-wise": (
        "llama-scope",
        0,
        {"norm_activation": "token-wise", "dataset_average_activation_norm": None},
        lambda: scoped(X * ROOT / X.norm(dim=-1, keepdim=True), kept=lambda linear: linear > THRESHOLD),
    ),
    "llama-scope: folded": (
        "llama-scope",
        0,
        {"norm_activation": "inference"},
        lambda: scoped(X, kept=lambda linear: linear > THRESHOLD),
    ),
    "llama-scope: topk": (
        "llama-scope",
        0,
        {"act_fn": "topk", "jump_relu_threshold": None},
        lambda: scoped(X, ROOT / 4, kept=top),
    ),
    "llama-scope: relu and decoder bias": (
        "llama-scope",
        0,
        {"act_fn": "relu", "norm_activation": "none", "apply_decoder_bias_to_pre_encoder": True},
        lambda: scoped(X - B_DEC, kept=lambda linear: linear > 0),
    ),
    "llama-scope: no decoder bias": (
        "llama-scope",
        0,
        {"norm_activation": "none", "apply_decoder_bias_to_pre_encoder": True, "use_decoder_bias": False},
        lambda: scoped(X, kept=lambda linear: linear > THRESHOLD),
    ),
    "openai: without TopK": ("openai", 0, {"activation": "ReLU"}, lambda: relu_codes(X)),
}


@pytest.mark.parametrize("case", APPLIED)
def test_codes_are_as_an_applied_key_says(case: str, tmp_path: Path) -> None:
    format, number, keys, expected = APPLIED[case]
    sae = opened(format, tmp_path / "changed", number, **keys)
    torch.testing.assert_close(codes(sae), expected(), rtol=1e-5, atol=1e-5)
    if "bias" not in keys:
        assert (codes(sae) != codes(opened(format, tmp_path / "plain"))).any() or case in (
            "llama-scope: norms",
            "saelens before 6: without normalisation",
        )


def sae_of_saelens(place: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sae_lens = pytest.importorskip("sae_lens")
        config = json.loads((place / "cfg.json").read_text())
        noted(place / "cfg.json", {"d_in": HIDDEN, "d_sae": FEATURES, "dtype": "float32", "device": "cpu"} | config)
        return sae_lens.SAE.load_from_disk(place)


@pytest.mark.parametrize("source", ["a scaler beside the weights", "SAELens's registry", "neither"])
def test_a_factor_that_is_not_folded_in_is_applied_or_asked_for(source: str, tmp_path: Path) -> None:
    scaled = {"normalize_activations": "expected_average_only_in"}
    registered = "sae_group_gpt2_blocks.3.hook_mlp_out_24576:v0"
    place = write_saelens(tmp_path / (registered if "registry" in source else "sae"), scaled, {})
    factor = 1.8958522157897557 if "registry" in source else 0.37
    if "scaler" in source:
        noted(place / "activation_scaler.json", {"scaling_factor": factor, "has_whitening": False})
    sae = open_checkpoint(place, encoder=True, **SAID)
    if source == "neither":
        with pytest.raises(ParameterError, match="normalize_activations .* no activation_scaler.json .*input_scale"):
            Encoder(sae)
        return
    library = sae_of_saelens(place)
    library.fold_activation_norm_scaling_factor(factor)
    got, reconstructed = Encoder(sae).reconstruct(X)
    with torch.no_grad():
        torch.testing.assert_close(got, library.encode(X), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(reconstructed, library(X), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(sae.decoder / sae.attrs["output_scale"], library.W_dec, rtol=1e-6)


def test_a_factor_beside_weights_that_need_none_is_refused(tmp_path: Path) -> None:
    place = write_saelens(tmp_path / "sae", {}, {})
    noted(place / "activation_scaler.json", {"scaling_factor": None})
    codes(open_checkpoint(place, encoder=True, **SAID))
    noted(place / "activation_scaler.json", {"scaling_factor": 2.0})
    with pytest.raises(
        ParameterError, match=r"activation_scaler.json: scaling_factor is 2.0, while .* cfg.json is 'none'"
    ):
        codes(open_checkpoint(place, encoder=True, **SAID))


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"activation_fn": "topk"}, "activation_fn is 'topk', and activation_fn_kwargs give no k"),
        (
            {"activation_fn": "topk", "activation_fn_kwargs": {"k": 3, "signed": True}},
            "activation_fn_kwargs.signed is True",
        ),
        ({"rescale_acts_by_decoder_norm": True}, "rescale_acts_by_decoder_norm is True, which SAELens applies to topk"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(keys: Config, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=f"cfg.json: {sentence}"):
        codes(opened("saelens before 6", tmp_path / "sae", **keys))


@pytest.mark.parametrize("format", [name for name in WRITERS if name != "openai"])
def test_null_is_the_default(format: str, tmp_path: Path) -> None:
    names = {name for name, key in WRITERS[format][1][0][1].items() if key.default is not None}
    sae = opened(format, tmp_path / "null", **dict.fromkeys(names))
    torch.testing.assert_close(codes(sae), codes(opened(format, tmp_path / "plain")))


def test_a_release_is_as_the_registry_says(tmp_path: Path) -> None:
    place = write_old_saelens(tmp_path / "GPT2-Small-SAEs-Reformatted" / "blocks.2.hook_resid_pre", {}, {})
    expected = relu_codes(X - X.mean(dim=-1, keepdim=True))
    torch.testing.assert_close(codes(open_checkpoint(place, encoder=True, **SAID)), expected, rtol=1e-5, atol=1e-5)


def test_centred_reconstructions_get_their_mean_back(tmp_path: Path) -> None:
    kwargs = {"model_from_pretrained_kwargs": {"center_writing_weights": True}}
    sae = opened("saelens", tmp_path / "sae", 1, **kwargs)
    mean = X.mean(dim=-1, keepdim=True)
    expected = relu_codes(X - mean) @ W_DEC + B_DEC + mean
    torch.testing.assert_close(Encoder(sae).reconstruct(X)[1], expected, rtol=1e-5, atol=1e-5)


def fields(*classes: Any) -> set[str]:
    return {field.name for one in classes for field in dataclasses.fields(one)}


def test_every_setting_of_the_installed_saelens_has_a_row() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("sae_lens")
        from sae_lens.config import LanguageModelSAERunnerConfig, LoggingConfig
        from sae_lens.loading.pretrained_sae_loaders import LLM_METADATA_KEYS
        from sae_lens.registry import SAE_CLASS_REGISTRY, SAE_TRAINING_CLASS_REGISTRY
        from transformer_lens import HookedTransformer
    configs = [
        found[1] for registry in (SAE_CLASS_REGISTRY, SAE_TRAINING_CLASS_REGISTRY) for found in registry.values()
    ]
    assert len(configs) > 10
    known = fields(LanguageModelSAERunnerConfig, LoggingConfig, *configs) | set(LLM_METADATA_KEYS)
    assert known <= set(saelens.KEYS)
    loaders = (HookedTransformer.from_pretrained, HookedTransformer.from_pretrained_no_processing)
    kwargs = {name for loader in loaders for name in inspect.signature(loader).parameters}
    assert kwargs - {"model_name", "hf_model", "from_pretrained_kwargs"} <= set(model_loading.KEYS)


def test_the_registry_of_the_installed_saelens_adds_nothing_else() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sae_lens = pytest.importorskip("sae_lens")
    yaml = pytest.importorskip("yaml")
    text = (Path(sae_lens.__file__).parent / "pretrained_saes.yaml").read_text()
    releases, factors = {}, {}
    for block in re.split(r"\n(?=\S)", text):
        # The file is long, and this alone of it concerns SAELens's own format.
        if "conversion_func: null" in block and ("config_overrides" in block or "norm_scaling_factor" in block):
            [release] = yaml.safe_load(block).values()
            overrides = {
                name: value for name, value in release.get("config_overrides", {}).items() if name != "dataset_path"
            }
            releases |= {release["repo_id"].rpartition("/")[2]: overrides} if overrides else {}
            factors |= {
                sae["path"]: sae["norm_scaling_factor"] for sae in release["saes"] if "norm_scaling_factor" in sae
            }
    assert releases == saelens.RELEASES
    assert factors == saelens.FACTORS


def test_every_setting_of_the_installed_sparsify_has_a_row() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("sparsify", reason="needs eai-sparsify")
        from sparsify.__main__ import RunConfig
        from sparsify.config import SparseCoderConfig
    assert fields(SparseCoderConfig) | {"d_in"} <= set(sparsify.KEYS)
    assert fields(RunConfig) | fields(SparseCoderConfig) <= set(sparsify.RUN_KEYS) | {"expansion_factor"}


@pytest.mark.parametrize("factor", [0, -1.5, True, float("nan"), float("inf"), "2"])
def test_a_factor_that_is_none_is_asked_for(factor: Any, tmp_path: Path) -> None:
    place = write_saelens(tmp_path / "sae", {"normalize_activations": "expected_average_only_in"}, {})
    noted(place / "activation_scaler.json", {"scaling_factor": factor})
    with pytest.raises(ParameterError, match="positive number; say input_scale"):
        Encoder(open_checkpoint(place, encoder=True, **SAID))


def test_loading_is_read_in_both_places_that_say_it(tmp_path: Path) -> None:
    own, of_model = {"fold_ln": True}, {"center_writing_weights": True}
    loaded = model_loading.OBJECT
    place = write_saelens(tmp_path / "sae", {loaded: own}, {loaded: of_model})
    assert open_checkpoint(place, encoder=True, **SAID).attrs["input_centring"]


@pytest.mark.parametrize("k", [0, True, "3", 2.5, None])
def test_k_is_a_number_of_features(k: Any, tmp_path: Path) -> None:
    said = {name: value for name, value in SAID.items() if name != "l0"}
    for place in (
        write_saelens(tmp_path / "saelens", {"architecture": "topk", "k": k}, {}),
        write_sparsify(tmp_path / "sparsify", {"k": k}, {}),
    ):
        with pytest.raises(StoreError, match="k: got .*expected (a number|the number of features that fire)|no k in"):
            open_checkpoint(place, **said)
    place = write_llama_scope(tmp_path / "llama", {"act_fn": "topk", "top_k": k}, {})
    with pytest.raises(StoreError, match="no readable .*top_k"):
        open_checkpoint(place, **said)


@pytest.mark.parametrize("norm", [0, -4.0, float("nan"), float("inf")])
def test_a_mean_norm_that_is_none_is_refused(norm: float, tmp_path: Path) -> None:
    place = write_llama_scope(tmp_path / "sae", {"dataset_average_activation_norm": {"in": norm, "out": 5.0}}, {})
    with pytest.raises(StoreError, match="no readable .*dataset_average_activation_norm"):
        open_checkpoint(place, **SAID)


def test_a_choice_by_norms_of_the_decoder_is_refused(tmp_path: Path) -> None:
    settings = {"act_fn": "topk", "sparsity_include_decoder_norm": True}
    sae = open_checkpoint(write_llama_scope(tmp_path / "sae", settings, {}), encoder=True, **SAID)
    with pytest.raises(
        ParameterError, match=r"hyperparams\.json: sparsity_include_decoder_norm is True, which selects"
    ):
        Encoder(sae)


def test_an_output_that_is_null_is_the_input(tmp_path: Path) -> None:
    said = {name: value for name, value in SAID.items() if name not in ("architecture", "site")}
    sae = open_checkpoint(write_llama_scope(tmp_path / "sae", {"hook_point_out": None}, {}), **said)
    assert (sae.attrs["architecture"], sae.attrs["output_hook"]) == ("jumprelu", HOOK)


def test_groups_that_do_not_divide_the_features_are_refused(tmp_path: Path) -> None:
    sae = open_checkpoint(
        write_sparsify(tmp_path / "sae", {"activation": "groupmax", "k": 3}, {}), encoder=True, **SAID
    )
    with pytest.raises(ParameterError, match="k = 3 groups of 10 features"):
        Encoder(sae)
