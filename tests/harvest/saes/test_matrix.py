"""Every architecture that SAELens knows, on activations that both take from a model: TransformerLens's, and ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from random_weights import randomise
from sae_libraries import library
from tiny_models import HIDDEN

from saegeom_data.checkpoints import Encoder, open_checkpoint
from saegeom_data.errors import ParameterError
from saegeom_data.harvest.model.activations import read_sites

FEATURES, K = 48, 6
TOKENS = torch.randint(0, 300, (3, 12), generator=torch.Generator().manual_seed(0))
RESIDUAL, MLP = {"gpt2": "blocks.1.hook_resid_pre", "gemma2": "blocks.1.hook_resid_mid"}, "blocks.1.hook_mlp_out"
# Keys of each architecture's configuration beside the sizes. A transcoder reads the MLP's input and writes its output.
OUT = {"d_out": HIDDEN, "apply_b_dec_to_input": False}
OPTIONS: dict[str, dict[str, Any]] = {
    "standard": {"normalize_activations": "layer_norm"},
    "gated": {},
    "topk": {"k": K},
    "abstopk": {"k": K},
    "jumprelu": {},
    "batchtopk": {"k": K},
    "matryoshka_batchtopk": {"k": K, "matryoshka_widths": [16, FEATURES]},
    "transcoder": OUT,
    "skip_transcoder": OUT,
    "jumprelu_transcoder": OUT,
    "jumprelu_skip_transcoder": OUT,
}
# They encode by a search, or over a sequence, which is no function of one token's activation.
DECODER_ONLY: dict[str, dict[str, Any]] = {"matching_pursuit": {}, "temporal": {"n_heads": 2, "bottleneck_factor": 2}}


@pytest.fixture(scope="module")
def models(folder: Path) -> dict[str, tuple[Any, Any]]:
    """Models as TransformerLens loads them from a folder, and as we do; they share no module."""
    found, theirs = {}, library("transformer_lens.model_bridge").TransformerBridge
    for kind in RESIDUAL:
        bridge = theirs.boot_transformers(str(folder / kind), device="cpu")
        found[kind] = bridge, transformers.AutoModel.from_pretrained(folder / kind).eval()
    return found


def metadata_of(**keys: str) -> Any:
    return library("sae_lens.saes.sae").SAEMetadata(**keys)


def saved(architecture: str, metadata: Any, folder: Path) -> Any:
    """Save a random SAE as SAELens does, and return it as SAELens loads it."""
    registry = library("sae_lens.registry")
    trains = architecture not in registry.SAE_CLASS_REGISTRY
    classes = registry.SAE_TRAINING_CLASS_REGISTRY if trains else registry.SAE_CLASS_REGISTRY
    sae_class, config_class = classes[architecture]
    options = OPTIONS.get(architecture, DECODER_ONLY.get(architecture, {}))
    built = sae_class(config_class(d_in=HIDDEN, d_sae=FEATURES, metadata=metadata, **options))
    sae = randomise(built, seed=1, threshold=0.4)
    save = sae.save_inference_model if trains else sae.save_model
    save(folder)
    return library("sae_lens").SAE.load_from_disk(folder)


def test_no_architecture_is_left_out() -> None:
    registry = library("sae_lens.registry")
    assert {*registry.SAE_CLASS_REGISTRY, *registry.SAE_TRAINING_CLASS_REGISTRY} == {*OPTIONS, *DECODER_ONLY}


@pytest.mark.parametrize("architecture", OPTIONS)
@pytest.mark.parametrize("kind", RESIDUAL)
def test_codes_of_a_model_are_those_of_the_library(
    kind: str, architecture: str, models: dict[str, tuple[Any, Any]], tmp_path: Path
) -> None:
    bridge, ours = models[kind]
    transcodes = "transcoder" in architecture
    hook = "blocks.1.mlp.hook_in" if transcodes else RESIDUAL[kind]
    metadata = metadata_of(model_name=kind, hook_name=hook, **({"hook_name_out": MLP} if transcodes else {}))
    theirs = saved(architecture, metadata, tmp_path)
    with torch.inference_mode():
        _, cache = bridge.run_with_cache(TOKENS, names_filter=[hook])
        expected = theirs.encode(cache[hook])
    opened = open_checkpoint(tmp_path, encoder=True, l0=K)
    assert opened.attrs["input_hook"] == hook
    (state,) = read_sites(ours, TOKENS.numpy().astype(np.int32), [opened.attrs["input_hook"]])
    assert 0.02 < float((expected != 0).float().mean()) < 0.98
    torch.testing.assert_close(Encoder(opened)(state), expected, rtol=0, atol=1e-5)
    assert opened.decoder.values.tobytes() == theirs.W_dec.detach().numpy().tobytes()


@pytest.mark.parametrize("architecture", DECODER_ONLY)
def test_what_encodes_otherwise_gives_its_decoder(architecture: str, tmp_path: Path) -> None:
    theirs = saved(architecture, metadata_of(model_name="gpt2", hook_name=RESIDUAL["gpt2"]), tmp_path)
    np.testing.assert_array_equal(open_checkpoint(tmp_path, l0=K).decoder, theirs.W_dec.detach().numpy())
    with pytest.raises(ParameterError, match=rf"(no encoder in it|nothing says how it encodes) .*{architecture}"):
        Encoder(open_checkpoint(tmp_path, encoder=True, l0=K))


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("layers.1", {}),
        ("layers.0.mlp", {"activation": "groupmax"}),
        ("layers.1.mlp", {"transcode": True}),
        ("layers.1.mlp", {"transcode": True, "skip_connection": True}),
    ],
)
def test_codes_of_a_model_are_those_of_sparsify(
    module: str, options: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    sparsify = library("sparsify")
    torch.manual_seed(2)
    config = sparsify.SparseCoderConfig(num_latents=FEATURES, k=K, **options)
    coder = sparsify.SparseCoder(HIDDEN, config)
    with torch.no_grad():
        coder.b_dec.normal_()
    coder.save_to_disk(tmp_path / module)
    model = transformers.AutoModel.from_pretrained(folder / "llama").eval()
    seen: list[Any] = []

    def keep(_module: Any, inputs: Any, output: Any) -> None:
        # As sparsify's own trainer: a block's first output is its hidden state, and a transcoder takes the input.
        state = inputs if options.get("transcode") else output
        seen.append(state[0] if isinstance(state, tuple) else state)

    handle = model.get_submodule(module).register_forward_hook(keep)
    with torch.inference_mode():
        model(TOKENS)
        handle.remove()
        # Its groups are told by the second dimension, so that it takes tokens and not sequences.
        top = coder.encode(seen[0].flatten(0, 1))
        expected = torch.zeros(TOKENS.numel(), FEATURES).scatter(-1, top.top_indices.long(), top.top_acts)
    opened = open_checkpoint(tmp_path / module, encoder=True, model="llama")
    (state,) = read_sites(model, TOKENS.numpy().astype(np.int32), [opened.attrs["input_module"]])
    torch.testing.assert_close(Encoder(opened)(state).flatten(0, 1), expected, rtol=0, atol=1e-5)
    assert opened.decoder.values.tobytes() == coder.W_dec.detach().numpy().tobytes()
