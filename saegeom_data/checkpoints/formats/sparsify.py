"""EleutherAI's sparsify: ``layers.N/{cfg.json,sae.safetensors}``.

``cfg.json`` gives k, the activation and the number of latents; ``config.json`` of the folder above names the model,
and the folder the module. Without k, with another number of latents than it says, or without the skip connection that
it says, the checkpoint is refused.
"""

from __future__ import annotations

from typing import Any

from saegeom_data.checkpoints.checkpoint import Activation, Candidate, Checkpoint, Encoding, Format, Part
from saegeom_data.checkpoints.configuration.keys import stated_count, trained_on, unsupported
from saegeom_data.checkpoints.configuration.sparsify import KEYS, RUN_KEYS
from saegeom_data.checkpoints.sites import Hook, Site, layer_of
from saegeom_data.errors import StoreError

_KEYS = frozenset({"encoder.weight", "encoder.bias", "W_dec", "b_dec"})
# The module names the folder. An autoencoder reads its output; a transcoder reads its input and writes its output.
_HOOKPOINT = r"(?:[\w.]*\.)?(?:(?:layers|layer|h)\.\d+(?:\.[\w.]+)?|embed_tokens|embed_in|wte)"


def _matches(candidate: Candidate) -> bool:
    return candidate.holds(".safetensors", _KEYS)


def _read(candidate: Candidate) -> Checkpoint:
    config, run = candidate.config("cfg.json"), candidate.config("../config.json", "../../config.json")
    _check(candidate, config)
    transcoder = bool(config.get("transcode", False))
    return Checkpoint(
        candidate.file,
        _parts(candidate),
        _encoding(candidate, config, run),
        "transcoder" if transcoder else "topk",
        _site(candidate, run, transcoder=transcoder),
        l0=float(config["k"]),
        l0_source="k",
        notes={"skip_connection": "W_skip" in candidate.keys},
    )


def _check(candidate: Candidate, config: dict[str, Any]) -> None:
    where = candidate.file.shown
    if stated_count(config, "k", candidate.path_beside("cfg.json")) is None:
        raise StoreError(f"{where}: no k in a cfg.json beside it; expected cfg.json and sae.safetensors together")
    if config.get("skip_connection") and "W_skip" not in candidate.keys:
        raise StoreError(f"{where}: cfg.json says skip_connection, and no W_skip is in it; fetch both again")
    features, hidden = candidate.shape("W_dec")[0], candidate.shape("W_dec")[-1]
    # num_latents is 0 where the size is a multiple of that of the input.
    expected = config.get("num_latents") or config.get("d_in", hidden) * config.get("expansion_factor", 0)
    if expected and expected != features:
        raise StoreError(f"{where}: got {features} latents, cfg.json says {expected}; fetch both again")


def _parts(candidate: Candidate) -> dict[str, Part]:
    return {
        "decoder": candidate.part("W_dec"),
        "encoder": candidate.part("encoder.weight"),
        "encoder_bias": candidate.part("encoder.bias"),
        "decoder_bias": candidate.part("b_dec"),
    }


def _encoding(candidate: Candidate, config: dict[str, Any], run: dict[str, Any]) -> Encoding:
    problems = unsupported(KEYS, config, candidate.path_beside("cfg.json"))
    return Encoding(
        _activation(config),
        k=int(config["k"]),
        # The bias of a transcoder is in the space of its output, which has no business in its input.
        subtracts_decoder_bias=not config.get("transcode", False),
        unsupported_settings=problems | unsupported(RUN_KEYS, run, candidate.path_beside("../config.json"), "run."),
        trained_on=trained_on(RUN_KEYS, run),
    )


def _activation(config: dict[str, Any]) -> Activation:
    if config.get("activation") == "groupmax":
        return "groupmax"
    # Earlier releases could keep the largest magnitudes of either sign, without a ReLU.
    return "abstopk" if config.get("signed") else "topk"


def _site(candidate: Candidate, run: dict[str, Any], *, transcoder: bool) -> Site:
    model = run["model"] if isinstance(run.get("model"), str) else None
    module = candidate.folder_match(_HOOKPOINT)
    if module is None:
        return Site(model)
    name = module.group()
    writes = Hook(f"{name}.output", name)
    # Embeddings have no number of a block and come before all.
    return Site(model, Hook(f"{name}.input", name) if transcoder else writes, writes, layer_of(name) or 0)


FORMAT = Format(
    "sparsify", "a .safetensors of encoder.weight, encoder.bias, W_dec and b_dec, and cfg.json", _matches, _read
)
