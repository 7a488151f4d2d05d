"""Keys of sparsify's ``cfg.json`` of one SAE, and of the ``config.json`` of its run, of every release."""

from __future__ import annotations

from saegeom_data.checkpoints.configuration.keys import Key, Table, applied, recorded, without_effect

KEYS: Table = {
    **applied("k transcode signed num_latents expansion_factor d_in skip_connection"),
    "activation": Key("applied", "topk", ("topk", "groupmax"), "which is not among topk and groupmax"),
    # Kept while it was trained, or only a loss; loading leaves the weights as they are.
    **without_effect("normalize_decoder multi_topk"),
}
_OTHER_MODEL = "of the model that was trained on, which may be another than the one that is loaded without it"
RUN_KEYS: Table = {
    **applied("model sae"),
    "revision": Key(
        "refused",
        "main",
        advice=f"{_OTHER_MODEL}; build with that revision under model and name the key under ignored_settings",
    ),
    "load_in_8bit": Key("refused", False, advice=f"{_OTHER_MODEL} (8 bits)"),
    **recorded("ctx_len exclude_tokens"),
    **without_effect("dataset split hf_token max_examples resume text_column shuffle_seed seed data_args"),
    **without_effect("data_preprocessing_num_proc batch_size grad_acc_steps micro_acc_steps loss_fn optimizer lr"),
    **without_effect("lr_warmup_steps k_decay_steps auxk_alpha dead_feature_threshold hookpoints init_seeds layers"),
    **without_effect("layer_stride distribute_modules distribute_layers save_every save_best finetune log_to_wandb"),
    **without_effect("run_name wandb_log_frequency save_dir k expansion_factor normalize_decoder signed num_latents"),
    **without_effect("multi_topk transcode skip_connection activation"),
}
