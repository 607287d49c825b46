"""The precision of a training: its dtype, autocast, and the scaling of float16's loss."""

import torch

from birdnet_cli.core.backbones import resolve_precision

__all__ = ["autocast_to", "create_scaler", "resolve_training_precision"]


def resolve_training_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the type that convolutions and products are computed in; parameters stay float32.

    Args:
        name: `float16`, or a name of `core.backbones.resolve_precision`.
        device: where the training runs.
    """
    return torch.float16 if name == "float16" else resolve_precision(name, device)


def autocast_to(dtype: torch.dtype, device: torch.device) -> torch.autocast:
    """Return the context of a forward pass; for float32 it switches an outer autocast off."""
    enabled = dtype is not torch.float32
    return torch.autocast(device.type, dtype=dtype if enabled else torch.bfloat16, enabled=enabled)


def create_scaler(dtype: torch.dtype, device: torch.device) -> torch.amp.GradScaler:
    """Return the scaler of the loss, which does nothing unless gradients are float16's, with their narrow range."""
    return torch.amp.GradScaler(device.type, enabled=dtype is torch.float16)
