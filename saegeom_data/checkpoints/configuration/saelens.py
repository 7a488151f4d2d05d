"""Keys of SAELens's ``cfg.json``, of every release, and what its registry knows of files that do not say it.

``normalize_activations: expected_average_only_in`` means that training scaled activations by a factor. SAELens writes
``none`` when it folds the factor into the weights, so that a file with the former has weights for scaled activations;
the factor is in ``activation_scaler.json`` beside a training that was saved on the way, or in SAELens's registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saegeom_data.checkpoints.configuration.keys import Key, Table, applied, recorded, without_effect
from saegeom_data.checkpoints.configuration.model_loading import OBJECT

SCALER = "activation_scaler.json"
NORMALISATIONS = ("none", "layer_norm", "constant_norm_rescale", "expected_average_only_in")

KEYS: Table = {
    **applied("architecture activation_fn_kwargs k metadata training_architecture training_architecture_details"),
    **applied("apply_b_dec_to_input rescale_acts_by_decoder_norm finetuning_scaling_factor scaling_factor"),
    # Where the SAE reads and writes; the names before version 3 too.
    **applied("hook_point hook_point_layer hook_point_template"),
    **applied("model_name hook_name hook_name_out hook_layer hook_layer_out hf_hook_name hf_hook_name_out"),
    **dict.fromkeys(
        ("activation_fn", "activation_fn_str"),
        Key("applied", "relu", ("topk",), "which is not among relu and topk, the functions that are applied"),
    ),
    "normalize_activations": Key(
        "applied", "none", (*NORMALISATIONS, True), f"which is not among {', '.join(NORMALISATIONS)}, that are applied"
    ),
    "reshape_activations": Key("applied", "none", ("hook_z",)),
    OBJECT: Key("applied"),
    # One head of an activation that has heads.
    **dict.fromkeys(
        ("hook_head_index", "hook_head_index_out", "hook_point_head_index"),
        Key("refused", advice="the activations of one head, which are not taken apart"),
    ),
    "model_kwargs": Key("refused", {}, advice="with which the model was called, and which is not passed on to it"),
    "use_error_term": Key("none"),
    # Of a temporal SAE and of a matching pursuit, which do not encode.
    "activation_normalization_factor": Key("refused", 1.0, advice="by which a temporal SAE scales activations"),
    **without_effect("n_heads n_attn_layers bottleneck_factor sae_diff_type kval_topk tied_weights"),
    **without_effect("residual_threshold max_iterations stop_on_duplicate_support"),
    **recorded("prepend_bos context_size seqpos_slice exclude_special_tokens sequence_separator_token"),
    **recorded("disable_concat_sequences use_chat_formatting begin_batch_token begin_sequence_token"),
    # Sizes, versions and precision.
    **applied("d_in d_sae d_out"),
    **without_effect("expansion_factor dtype device llm_device act_store_device model_class_name"),
    **without_effect("sae_lens_version sae_lens_training_version neuronpedia_id"),
    # How it was trained. Norms of the decoder are those of the weights, however they were kept.
    **without_effect("normalize_sae_decoder decoder_init_norm decoder_heuristic_init decoder_heuristic_init_norm"),
    **without_effect("decoder_orthogonal_init init_encoder_as_decoder_transpose b_dec_init_method noise_scale"),
    **without_effect("scale_sparsity_penalty_by_decoder_norm mse_loss_normalization use_ghost_grads"),
    **without_effect("l1_coefficient l1_warm_up_steps lp_norm l0_coefficient l0_warm_up_steps target_l0"),
    **without_effect("aux_loss_coefficient pre_act_loss_coefficient use_sparse_activations topk_threshold_lr"),
    **without_effect("jumprelu_init_threshold jumprelu_bandwidth jumprelu_sparsity_loss_mode jumprelu_tanh_scale"),
    **without_effect("jumprelu_ste_to_input matryoshka_widths use_matryoshka_aux_loss"),
    **without_effect(
        "lr lr_end lr_scheduler_name lr_warm_up_steps lr_decay_steps n_restart_cycles adam_beta1 adam_beta2"
    ),
    **without_effect("train_batch_size train_batch_size_tokens train_batch_size_samples training_tokens"),
    **without_effect("total_training_tokens total_training_samples total_training_steps finetuning_tokens"),
    **without_effect("finetuning_method dead_feature_window dead_feature_threshold dead_feature_estimation_method"),
    **without_effect("feature_sampling_window feature_sampling_method feature_reinit_scale resample_batches"),
    **without_effect("n_batches_for_norm_estimate seed sae k_aux model_training_steps"),
    # What it was trained with.
    **without_effect(
        "dataset_path dataset_name dataset_trust_remote_code streaming is_dataset_tokenized shuffle split"
    ),
    **without_effect("data_files data_dir column_name use_cached_activations cached_activations_path"),
    **without_effect("new_cached_activations_path from_pretrained_path resume resume_from_checkpoint checkpoint_path"),
    **without_effect("output_path save_path save_final_checkpoint n_checkpoints verbose hook_eval hook_point_eval"),
    **without_effect("n_batches_in_buffer buffer_size_gb store_batch_size store_batch_size_prompts model_batch_size"),
    **without_effect("activations_mixing_fraction prefetch_llm_batches tokens_per_buffer n_eval_batches n_eval_seqs"),
    **without_effect("eval_batch_size_prompts eval_every_n_wandb_logs autocast autocast_lm compile_llm compile_sae"),
    **without_effect("llm_compilation_mode sae_compilation_mode logger log_to_wandb log_weights_to_wandb"),
    **without_effect("log_activations_store_to_wandb log_optimizer_state_to_wandb wandb_project wandb_id run_name"),
    **without_effect("wandb_entity wandb_log_frequency n_shuffles_with_last_section n_shuffles_in_entire_dir"),
    **without_effect("n_shuffles_final shuffle_every_n_buffers num_proc pretokenize_batch_size tokenizer_name"),
    **without_effect("hf_repo_id hf_num_shards hf_revision hf_is_private_repo"),
}

_CENTRED = {OBJECT: {"center_writing_weights": True}}
# What SAELens's registry adds to the files of a release, by the name of its repository.
RELEASES: Mapping[str, Mapping[str, Any]] = {
    "GPT2-Small-SAEs-Reformatted": _CENTRED,
    "GPT2-Small-Feature-Splitting-Experiment-Layer-8": _CENTRED,
    "gpt2-small-mlp-out-saes": _CENTRED,
    "Mistral-7B-Residual-Stream-SAEs": {"normalize_activations": "constant_norm_rescale"},
}
# The factor of the activations that an SAE was trained on, by the name of its folder.
_FACTORS_OF_MLP = (
    (0, 1, 1.049317316132615),
    (1, 0, 2.3693984005104283),
    (2, 0, 1.6411934982190302),
    (3, 0, 1.8958522157897557),
    (4, 0, 1.81673478700627),
    (5, 0, 1.550234472245924),
    (6, 0, 1.3237742807210804),
    (7, 0, 1.1042905114723296),
    (8, 1, 0.9123762783479742),
    (9, 0, 0.6955335635232373),
    (10, 0, 0.3619728926727644),
    (11, 2, 0.2851548652550073),
)
FACTORS: Mapping[str, float] = {
    **{f"sae_group_gpt2_blocks.{n}.hook_mlp_out_24576:v{v}": factor for n, v, factor in _FACTORS_OF_MLP},
    "gemma_2b_blocks.12.hook_resid_post_16384": 0.21381938399317255,
}
