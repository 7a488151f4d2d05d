"""Random weights in place of those that a library starts from; needs torch."""

from __future__ import annotations

from typing import Any

import torch


def randomise(module: Any, seed: int = 0, threshold: float = 0.7) -> Any:
    """Give every parameter values of its own, so that no bias, gate or threshold can be left out unnoticed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
            # A threshold below zero would keep what is off.
            if name == "threshold":
                parameter.abs_()
        for name, buffer in module.named_buffers():
            if name in ("threshold", "topk_threshold"):
                buffer.fill_(threshold)
    return module
