"""Heads on feature maps by name, each with its activation: map [N, C, h, w] before the activation -> logits [N, K]."""

from collections import OrderedDict
from typing import Any

import torch
from torch import nn

from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.heads.factorized_bilinear import FactorizedBilinearHead
from birdnet_cli.core.heads.initialize import initialize_weights

__all__ = ["create_map_head", "list_map_heads"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"fc": nn.ReLU, "tanh": nn.Tanh, "fb": nn.Tanh}


def list_map_heads() -> list[str]:
    """Return the names that `create_map_head` knows."""
    return sorted(ACTIVATIONS)


def create_map_head(name: str, in_channels: int, num_classes: int, *, seed: int = 0, **settings: Any) -> nn.Sequential:
    """Create a head that takes the last feature map before its activation.

    Args:
        name: `fc`: ReLU, average, linear. `tanh`: tanh, average, linear. `fb`: tanh, `FactorizedBilinearHead`. The
            paper compares `fb` with the other two under the same training.
        in_channels: C.
        num_classes: K.
        seed: seed of the initial weights and of DropFactor; PyTorch's global generator is not used.
        settings: settings of `FactorizedBilinearHead`; the other heads take none.

    Raises:
        UnknownNameError: no such head.
        UsageError: a setting for `fc` or `tanh`, or a setting out of range.
    """
    if name not in ACTIVATIONS:
        raise UnknownNameError("head", name, ACTIVATIONS)
    if name != "fb" and settings:
        raise UsageError(f"the head '{name}' has no {', '.join(sorted(settings))}: those belong to 'fb'")
    parts: OrderedDict[str, nn.Module] = OrderedDict(activation=ACTIVATIONS[name]())
    if name == "fb":
        parts["factorized_bilinear"] = FactorizedBilinearHead(in_channels, num_classes, seed=seed, **settings)
        return nn.Sequential(parts)
    device = torch.get_default_device()
    parts["pool"] = nn.AdaptiveAvgPool2d(1)
    parts["flatten"] = nn.Flatten()
    # Built on meta, so that no initial values are drawn from the global generator.
    parts["linear"] = nn.Linear(in_channels, num_classes, device="meta").to_empty(device=device)
    head = nn.Sequential(parts)
    initialize_weights(head, generator=torch.Generator().manual_seed(seed))
    return head
