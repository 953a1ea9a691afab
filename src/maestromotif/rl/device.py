"""Where a network is, and in which precision its products are made."""

from __future__ import annotations

import torch

from maestromotif.errors import ConfigError
from maestromotif.rl.config import TrainConfig

__all__ = ["check_device", "wants_bfloat16"]


def check_device(name: str) -> None:
    """See that a network can be put where ``[train] device`` says.

    Raises:
        ConfigError: torch knows no such device, or there is none here.
    """
    try:
        torch.zeros(1, device=torch.device(name))
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ConfigError(
            f"[train] device = {name!r} cannot be used here ({reason})",
            'Set device = "cpu", or install a torch for your GPU: torch.cuda.is_available() must say True',
        ) from error


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
