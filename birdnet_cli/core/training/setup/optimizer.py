"""Optimisers and their parameter groups: each group has a base rate, which the schedule scales in every update."""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from birdnet_cli.core.recipe import FinetuneSettings

__all__ = ["backbone_rate", "create_optimizer", "flatten_state", "restore_state", "set_rates"]

BASE_RATE = "base_rate"


def backbone_rate(settings: FinetuneSettings) -> float:
    """Return the rate of everything before the head."""
    if settings.backbone_lr is not None:
        return settings.backbone_lr
    return settings.lr if settings.network else settings.lr / 100


def create_optimizer(
    settings: FinetuneSettings,
    *,
    backbone: Iterable[nn.Parameter],
    head: Iterable[nn.Parameter],
) -> torch.optim.Optimizer:
    """Create the optimiser with up to four groups: backbone and head, with and without weight decay.

    Weight decay is added to the gradient (SGD, as in both papers), or shrinks the parameter by itself (AdamW).

    Args:
        settings: which optimiser, rates, momentum, decay.
        backbone: parameters before the head.
        head: the head's.
    """
    groups = []
    for parameters, rate in ((backbone, backbone_rate(settings)), (head, settings.lr)):
        decayed: list[nn.Parameter] = []
        spared: list[nn.Parameter] = []
        for parameter in parameters:
            (decayed if settings.decay == "all" or parameter.ndim > 1 else spared).append(parameter)
        for members, decay in ((decayed, settings.weight_decay), (spared, 0.0)):
            if members:
                groups.append({"params": members, "lr": rate, BASE_RATE: rate, "weight_decay": decay})
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups)
    nesterov = settings.optimizer == "nag" and settings.momentum > 0
    return torch.optim.SGD(groups, momentum=settings.momentum, nesterov=nesterov)


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Give every group its base rate times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group[BASE_RATE] * factor


def flatten_state(optimizer: torch.optim.Optimizer, names: dict[nn.Parameter, str]) -> dict[str, Tensor]:
    """Return `name.key` -> tensor for everything that the optimiser remembers of each parameter.

    Args:
        optimizer: from `create_optimizer`.
        names: each of its parameters' name.
    """
    return {
        f"{names[cast(nn.Parameter, parameter)]}.{key}": value
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }


def restore_state(optimizer: torch.optim.Optimizer, names: dict[nn.Parameter, str], tensors: dict[str, Tensor]) -> None:
    """Give the optimiser what `flatten_state` returned; rates are the schedule's and are not part of it.

    Memory order follows each parameter's, so that the next update's kernels are those of an unbroken run.
    """
    parameters = {name: parameter for parameter, name in names.items()}
    optimizer.state.clear()
    for key, value in tensors.items():
        name, _, field = key.rpartition(".")
        parameter = parameters[name]
        if value.shape == parameter.shape:
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        optimizer.state[parameter][field] = value.clone() if value.ndim == 0 else value
