"""Keys of dictionary_learning's ``config.json``: of its ``trainer`` and of its ``buffer`` of activations."""

from __future__ import annotations

from saegeom_data.checkpoints.configuration.keys import Key, Table, applied, recorded, without_effect

OBJECTS: Table = applied("trainer buffer")
TRAINER_KEYS: Table = {
    **applied("dict_class k layer lm_name submodule_name"),
    # Training divides activations by it, and multiplies the biases of what it saves by it: they take raw activations.
    "norm_factor": Key("none"),
    **applied("activation_dim dict_size"),
    **without_effect("trainer_class lr steps seed device wandb_name warmup_steps decay_start"),
    **without_effect(
        "resample_steps l1_penalty sparsity_penalty sparsity_warmup_steps sparsity_function p_start p_end"
    ),
    **without_effect("anneal_start sparsity_queue_length n_sparsity_updates auxk_alpha top_k_aux threshold_beta"),
    **without_effect("threshold_start_step group_fractions group_weights group_sizes weights_temperature bandwidth"),
    **without_effect(
        "target_l0 sparsity_coefficient lambda_warm_steps steps_before_annealing adaptive_sparsity_penalty"
    ),
    **without_effect("sparsity_loss_queue_length activation_queue_length gp_reg_coeff l0_penalty"),
    # Of a TopK dictionary whose k falls or rises while it is trained; the last one is k.
    **without_effect("k_anneal_steps"),
}
BUFFER_KEYS: Table = {
    **applied("io"),
    **recorded("ctx_len remove_bos add_special_tokens max_activation_norm_multiple"),
    **without_effect("d_submodule n_ctxs refresh_batch_size out_batch_size device layer dtype activation_save_dirs"),
}
