"""Small random models of Gemma 3's architecture in GGUF files, as llama.cpp writes them; needs torch and gguf."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
import transformers

HIDDEN, LAYERS, HEADS, HEAD = 32, 3, 2, 16
WORDS = ("river", "stone", "lantern", "harbour", "winter", "silver", "garden", "letter", "mountain", "shadow")
_SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>")
_CONTROL, _NORMAL, _BYTE = 3, 1, 6
_FORM = gguf.GGMLQuantizationType.Q8_0


def vocabulary() -> list[str]:
    """Special tokens, bytes, letters, and every beginning of a word, with and without a space before it."""
    letters = sorted(set("".join(WORDS)) | {"\u2581"})
    whole = {word[:end] for word in (*WORDS, *(f"\u2581{word}" for word in WORDS)) for end in range(2, len(word) + 1)}
    return [*_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *letters, *sorted(whole, key=lambda w: (len(w), w))]


def random_model() -> Any:
    """Return a model, its weights in float32."""
    config = transformers.Gemma3TextConfig(
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=1,
        head_dim=HEAD,
        intermediate_size=64,
        vocab_size=len(vocabulary()),
        sliding_window=8,
        max_position_embeddings=128,
    )
    torch.manual_seed(0)
    model = transformers.Gemma3TextModel(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("norm.weight"):
                weight.normal_(0, 0.2)
    return model


def write(file: Path, model: Any, architecture: str = "gemma3", leave_out: str = "") -> None:
    """Write a model to a GGUF file, and into the model what its weights are once they were quantised."""
    writer = gguf.GGUFWriter(file, architecture)
    config = model.config
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_sliding_window(config.sliding_window)
    writer.add_rope_freq_base(1e6)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    _write_vocabulary(writer)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GEMMA3, LAYERS)
    for name, weight in model.named_parameters():
        stem, _, end = f"model.{name}".rpartition(".")
        values = weight.detach().numpy()
        if leave_out and leave_out in name:
            continue
        if values.ndim == 1:
            # The reader takes away the 1 that norms add to their weights.
            writer.add_tensor(f"{names.get_name(stem)}.{end}", values + np.float32(1))
            continue
        blocks = gguf.quants.quantize(values, _FORM)
        writer.add_tensor(f"{names.get_name(stem)}.{end}", blocks, raw_dtype=_FORM)
        with torch.no_grad():
            weight.copy_(torch.from_numpy(gguf.quants.dequantize(blocks, _FORM)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_vocabulary(writer: gguf.GGUFWriter) -> None:
    tokens = vocabulary()
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(number) for number in range(len(tokens))])
    kinds = [_CONTROL] * len(_SPECIAL) + [_BYTE] * 256
    writer.add_token_types(kinds + [_NORMAL] * (len(tokens) - len(kinds)))
    writer.add_pad_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_unk_token_id(3)
    writer.add_add_bos_token(True)
