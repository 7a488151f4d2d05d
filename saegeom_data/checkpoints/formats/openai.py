"""OpenAI's GPT-2 SAEs: ``resid_post_mlp_v5_32k/autoencoders/{layer}.pt``.

The configuration is in the weights file: ``activation`` and ``activation_state_dict`` beside the tensors. Site and
layer are in the names of folder and file. A k that is no number of features is refused.
"""

from __future__ import annotations

from saegeom_data.checkpoints.checkpoint import Candidate, Checkpoint, Encoding, Format, Part
from saegeom_data.checkpoints.configuration.keys import as_object, stated_count, unsupported
from saegeom_data.checkpoints.configuration.published import OPENAI_ACTIVATION_KEYS, OPENAI_KEYS
from saegeom_data.checkpoints.sites import Site
from saegeom_data.checkpoints.weights import TORCH

_KEYS = frozenset({"pre_bias", "latent_bias", "encoder.weight"})
_SITES = {
    "resid_post_mlp": "hook_resid_post",
    "resid_post_attn": "hook_resid_mid",
    "resid_delta_mlp": "hook_mlp_out",
    "resid_delta_attn": "hook_attn_out",
    "mlp_post_act": "mlp.hook_post",
}


def _matches(candidate: Candidate) -> bool:
    return candidate.file.suffix in TORCH and candidate.keys >= _KEYS


def _read(candidate: Candidate) -> Checkpoint:
    encoding = _encoding(candidate)
    return Checkpoint(
        candidate.file,
        _parts(candidate),
        encoding,
        "topk" if encoding.activation_function == "topk" else "standard",
        _site(candidate),
        l0=encoding.k,
        l0_source="k",
    )


def _parts(candidate: Candidate) -> dict[str, Part]:
    # Where no decoder is saved, it is tied: the transpose of the encoder.
    tied = "decoder.weight" not in candidate.keys
    return {
        "decoder": candidate.part("encoder.weight") if tied else candidate.part("decoder.weight", transpose=True),
        "encoder": candidate.part("encoder.weight"),
        "encoder_bias": candidate.part("latent_bias"),
        "decoder_bias": candidate.part("pre_bias"),
    }


def _encoding(candidate: Candidate) -> Encoding:
    # As its library loads them: without a name the activation is ReLU, and those of TopK alone normalise their input.
    extras, where = candidate.weights.extras, candidate.file.name
    state = as_object(extras.get("activation_state_dict"))
    problems = unsupported(OPENAI_KEYS, extras, where)
    problems |= unsupported(OPENAI_ACTIVATION_KEYS, state, where, "activation_state_dict.")
    if extras.get("activation", "ReLU") != "TopK":
        return Encoding("relu", subtracts_decoder_bias=True, unsupported_settings=problems)
    return Encoding(
        "topk",
        k=stated_count(state, "k", f"{candidate.file.shown}: activation_state_dict"),
        input_normalisation="layer_norm",
        subtracts_decoder_bias=True,
        unsupported_settings=problems,
    )


def _site(candidate: Candidate) -> Site:
    place = candidate.folder_match(r"(resid_(?:post|delta)_(?:mlp|attn)|mlp_post_act)(?:_v\d+)?(?:_\d+k)?")
    layer = candidate.folder_number(r"(\d+)\.pt")
    hook = f"blocks.{layer}.{_SITES[place.group(1)]}" if place and layer is not None else None
    model = "gpt2" if candidate.folder_match("gpt2-small") else None
    return Site.of_hook(hook, model, layer, source=place.group(1) if place else None)


FORMAT = Format("openai", "a .pt of pre_bias, latent_bias, encoder.weight and decoder.weight", _matches, _read)
