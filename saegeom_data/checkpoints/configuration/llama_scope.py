"""Keys of Llama Scope's ``hyperparams.json``, written by Language-Model-SAEs."""

from __future__ import annotations

from saegeom_data.checkpoints.configuration.keys import Key, Table, applied, without_effect

ACTIVATIONS = ("relu", "jumprelu", "topk")
NORMALISATIONS = ("dataset-wise", "token-wise", "inference", "none")

KEYS: Table = {
    **applied("hook_point_in hook_point_out jump_relu_threshold dataset_average_activation_norm top_k"),
    "use_decoder_bias": Key("applied", True),
    "apply_decoder_bias_to_pre_encoder": Key("applied", False),
    # Of the loss and of TopK in the release that wrote what is published. Its JumpReLU compares pre-activations alone.
    "sparsity_include_decoder_norm": Key("applied", False),
    "act_fn": Key("applied", "jumprelu", ACTIVATIONS, "which depends on the other tokens of a batch, or is not known"),
    "norm_activation": Key(
        "applied", "dataset-wise", NORMALISATIONS, "which depends on the other tokens of a batch, or is not known"
    ),
    "use_glu_encoder": Key("refused", False, advice="a second encoder, which is not applied"),
    "sae_type": Key("applied", "sae", ("sae",), "whose weights are not those of one SAE"),
    **applied("d_model d_sae"),
    **without_effect("expansion_factor dtype device seed strict_loading sae_pretrained_name_or_path"),
    **without_effect("decoder_exactly_fixed_norm decoder_exactly_unit_norm force_unit_decoder_norm bias_init_method"),
    **without_effect("init_decoder_norm init_encoder_norm init_encoder_with_decoder_transpose init_search lp"),
    **without_effect("l1_coefficient l1_coefficient_warmup_steps k_warmup_steps use_batch_norm_mse use_ghost_grads"),
    **without_effect("remove_gradient_parallel_to_decoder_directions tp_size ddp_size jumprelu_threshold_window"),
    **without_effect("use_triton_kernel sparsity_threshold_for_triton_spmm_kernel exp_name exp_series exp_result_path"),
}
