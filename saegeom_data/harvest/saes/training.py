"""One TopK SAE per site, trained by sae-lens on batches read from the activations store."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saegeom_data.data import group_kinds
from saegeom_data.declare.seeds import own_seed
from saegeom_data.harvest.model.activations import ActivationReader
from saegeom_data.harvest.recipe import Training

_CENTRING = "mean of the training tokens, folded into the biases"


def train_sae(reader: ActivationReader, training: Training, model_name: str, target: Path) -> dict[str, Any]:
    """Train an SAE on one site and save it in sae-lens's format.

    Training sees activations that are centred on their mean and scaled by one number to a mean squared norm of
    ``hidden``. Both are folded into the saved SAE, which therefore takes activations as the model gives them, and
    whose decoder rows have unit norm.

    Parameters
    ----------
    reader
        Activations to train on.
    training
        Width, k and schedule.
    model_name
        Recorded in the SAE's configuration.
    target
        Folder for ``cfg.json`` and ``sae_weights.safetensors``.

    Returns
    -------
    dict
        Facts of the training, for the attrs of the features.
    """
    import torch

    # sae-lens draws first weights from the generator that torch has for all, and takes no other.
    torch.manual_seed(training.seed)
    mean, variance = reader.moments()
    scale = math.sqrt(len(mean) / variance)
    sae = _new_sae(training, len(mean), model_name, reader.site)
    tokens = _train(sae, training, reader, mean, scale)
    _fold_inputs(sae, mean, scale)
    sae.save_inference_model(target)
    return {
        "k": training.k,
        "seed": training.seed,
        "training_tokens": tokens,
        "training_tokens_unique": reader.training_tokens,
        "training_batch_size": training.batch_size,
        "learning_rate": training.learning_rate,
        "training_centring": _CENTRING,
        "training_scaling": f"{scale!r}, folded into the biases",
    }


def untrained_sae(reader: ActivationReader, training: Training, model_name: str, target: Path) -> dict[str, Any]:
    """Save an SAE as it is before the first step of training: random unit decoder rows, which are its encoder too.

    It is centred and scaled as a trained one is, and each site has random numbers of its own.

    Parameters
    ----------
    reader
        Activations, of which mean and scale are taken.
    training
        Width, k and seed.
    model_name, target
        As in :func:`train_sae`.

    Returns
    -------
    dict
        Facts, for the attrs of the features.
    """
    import torch

    seed = own_seed(training.seed, f"/untrained/{reader.site}")
    torch.manual_seed(seed)
    mean, variance = reader.moments()
    scale = math.sqrt(len(mean) / variance)
    sae = _new_sae(training, len(mean), model_name, reader.site)
    _fold_inputs(sae, mean, scale)
    sae.save_inference_model(target)
    return {
        group_kinds.untrained.name: "random unit rows, as before the first step of training, encoder and decoder alike",
        "k": training.k,
        "seed": seed,
        "training_tokens": 0,
        "training_centring": _CENTRING,
        "training_scaling": f"{scale!r}, folded into the biases",
    }


def _new_sae(training: Training, hidden: int, model_name: str, site: str) -> Any:
    """A TopK SAE whose activations are scaled by the norms of the decoder rows before the k largest are kept."""
    from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.saes.sae import SAEMetadata

    return TopKTrainingSAE(
        TopKTrainingSAEConfig(
            d_in=hidden,
            d_sae=training.width,
            k=training.k,
            # Inputs are centred already, and their mean is folded in at the end: a bias to subtract would do it twice.
            apply_b_dec_to_input=False,
            normalize_activations="none",
            decoder_init_norm=training.decoder_init_norm,
            aux_loss_coefficient=training.auxiliary_loss,
            rescale_acts_by_decoder_norm=True,
            device="cpu",
            dtype="float32",
            metadata=SAEMetadata(model_name=model_name, hook_name=site),
        )
    )


def _train(sae: Any, training: Training, reader: ActivationReader, mean: npt.NDArray[np.float64], scale: float) -> int:
    """Train for ``epochs`` * tokens / batch size steps, and return how many tokens were seen.

    The learning rate rises over the share ``warm_up`` of the steps, is constant, and falls to zero over the share
    ``decay`` at the end.
    """
    from sae_lens.config import LoggingConfig, SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    # A text shorter than one batch still gives an SAE, which a recipe in miniature asks for.
    steps = max(1, round(training.epochs * reader.training_tokens / training.batch_size))
    rate = training.learning_rate
    config = SAETrainerConfig(
        total_training_samples=steps * training.batch_size,
        train_batch_size_samples=training.batch_size,
        lr=rate,
        lr_end=rate,
        lr_scheduler_name="constant",
        lr_warm_up_steps=int(training.warm_up * steps),
        lr_decay_steps=int(training.decay * steps),
        dead_feature_window=training.dead_after,
        # The window is never logged: keep it from being reset.
        feature_sampling_window=steps + 1,
        device="cpu",
        logger=LoggingConfig(log_to_wandb=False),
    )
    SAETrainer(config, sae, _scaled(reader, training, mean, scale)).fit()
    return steps * training.batch_size


def _scaled(reader: ActivationReader, training: Training, mean: npt.NDArray[np.float64], scale: float) -> Iterator[Any]:
    """Yield batches (batch size, hidden) of (x - mean) * scale, whose mean squared norm is ``hidden``."""
    import torch

    # In float32, as the trainer computes: float64 would take twice the memory for digits that it drops.
    centre = mean.astype(np.float32)
    for batch in reader.batches(training.batch_size, training.seed):
        yield torch.from_numpy((batch.astype(np.float32) - centre) * np.float32(scale))


def _fold_inputs(sae: Any, mean: npt.NDArray[np.float64], scale: float) -> None:
    """Make an SAE of centred and scaled inputs one of raw inputs, with unit decoder rows.

    With x' = (x - m) s, the pre-activations x' W + b become s (x W + b / s - m W): TopK chooses the same features,
    and their activations shrink by s, as the reconstruction does.
    """
    import torch

    with torch.no_grad():
        # First, as it changes the encoder and its bias, of which the biases below are made.
        sae.fold_W_dec_norm()
        centre = torch.from_numpy(mean)
        # In double precision: terms far larger than the bias cancel where the mean of the activations is large.
        encoder_bias = sae.b_enc.double() / scale - centre @ sae.W_enc.double()
        decoder_bias = sae.b_dec.double() / scale + centre
        sae.b_enc.copy_(encoder_bias.float())
        sae.b_dec.copy_(decoder_bias.float())
