"""In which precision a network's products are made."""

from __future__ import annotations

import torch

from maestromotif.rl.config import TrainConfig

__all__ = ["wants_bfloat16"]


def wants_bfloat16(config: TrainConfig, device: torch.device) -> bool:
    """Whether products are made in bfloat16.

    ``"auto"`` does so where it pays: on a GPU that has it, and on a processor with instructions for it (AVX512-BF16, AMX) for networks
    that spend most of their time in products.
    """
    if config.precision != "auto":
        return config.precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and config.network != "small" and bool(torch.cpu._is_avx512_bf16_supported())
