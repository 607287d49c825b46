"""The precision of a training: dtype, autocast, and the loss scaling of float16."""

import torch

from birdnet_cli.core.backbones import resolve_precision

__all__ = ["autocast_to", "create_scaler", "resolve_training_precision"]


def resolve_training_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype of convolutions and matrix products; parameters stay float32.

    Args:
        name: `float16`, or a name that `core.backbones.resolve_precision` takes.
        device: device of the training.
    """
    return torch.float16 if name == "float16" else resolve_precision(name, device)


def autocast_to(dtype: torch.dtype, device: torch.device) -> torch.autocast:
    """Return the autocast context of a forward pass; for float32 it switches an outer autocast off."""
    enabled = dtype is not torch.float32
    return torch.autocast(device.type, dtype=dtype if enabled else torch.bfloat16, enabled=enabled)


def create_scaler(dtype: torch.dtype, device: torch.device) -> torch.amp.GradScaler:
    """Return a scaler of the loss for float16, whose range is too narrow for gradients; it does nothing otherwise."""
    return torch.amp.GradScaler(device.type, enabled=dtype is torch.float16)
