"""Keys of Gemma Scope 2's ``config.json``, and of OpenAI's configuration, which is in the weights file."""

from __future__ import annotations

from saegeom_data.checkpoints.configuration.keys import Key, Table, applied, without_effect

GEMMA_SCOPE_2_KEYS: Table = {
    **applied("hf_hook_point_in hf_hook_point_out model_name l0 affine_connection"),
    "architecture": Key(
        "applied", "jump_relu", ("jump_relu", "jumprelu"), "which is not jump_relu, the one that is applied"
    ),
    "type": Key("applied", "sae", ("sae", "transcoder"), "which is neither sae nor transcoder"),
    **applied("width"),
}
OPENAI_KEYS: Table = {
    "activation": Key("applied", "ReLU", ("ReLU", "TopK"), "which is not among ReLU and TopK"),
    **applied("activation_state_dict"),
    **without_effect("stats_last_nonzero"),
}
OPENAI_ACTIVATION_KEYS: Table = {
    **applied("k"),
    "postact_fn": Key("applied", "ReLU", ("ReLU",), "and ReLU is what is applied to the features that are kept"),
}
