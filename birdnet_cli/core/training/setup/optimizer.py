"""Optimisers and their parameter groups; each group has a base rate that the schedule multiplies in every update."""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from birdnet_cli.core.recipe import FinetuneSettings

__all__ = ["backbone_rate", "create_optimizer", "flatten_state", "restore_state", "set_rates"]

BASE_RATE = "base_rate"


def backbone_rate(settings: FinetuneSettings) -> float:
    """Return the base rate of the parameters before the head; by default `lr`, or `lr / 100` if they are pretrained."""
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
        settings: name of the optimiser, rates, momentum, weight decay.
        backbone: parameters before the head.
        head: parameters of the head.
    """
    groups = []
    for parameters, rate in ((backbone, backbone_rate(settings)), (head, settings.lr)):
        decayed: list[nn.Parameter] = []
        undecayed: list[nn.Parameter] = []
        for parameter in parameters:
            (decayed if settings.decay == "all" or parameter.ndim > 1 else undecayed).append(parameter)
        for members, decay in ((decayed, settings.weight_decay), (undecayed, 0.0)):
            if members:
                groups.append({"params": members, "lr": rate, BASE_RATE: rate, "weight_decay": decay})
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups)
    nesterov = settings.optimizer == "nag" and settings.momentum > 0
    return torch.optim.SGD(groups, momentum=settings.momentum, nesterov=nesterov)


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set the rate of every group to its base rate times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group[BASE_RATE] * factor


def flatten_state(optimizer: torch.optim.Optimizer, names: dict[nn.Parameter, str]) -> dict[str, Tensor]:
    """Return the tensors of the optimiser's state, such as momentum, by `parameter.key`.

    Args:
        optimizer: optimiser from `create_optimizer`.
        names: name of each of its parameters.
    """
    return {
        f"{names[cast(nn.Parameter, parameter)]}.{key}": value
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }


def restore_state(optimizer: torch.optim.Optimizer, names: dict[nn.Parameter, str], tensors: dict[str, Tensor]) -> None:
    """Set the optimiser's state to the tensors that `flatten_state` returned.

    Rates are no part of the state: the schedule sets them in every update. The tensors get the memory layout of their
    parameters, so that the next update uses the same kernels, and gives the same bits, as in an uninterrupted run.

    Args:
        optimizer: optimiser from `create_optimizer`.
        names: name of each of its parameters.
        tensors: the state, by `parameter.key`.
    """
    parameters = {name: parameter for parameter, name in names.items()}
    optimizer.state.clear()
    for key, value in tensors.items():
        name, _, field = key.rpartition(".")
        parameter = parameters[name]
        if value.shape == parameter.shape:
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        optimizer.state[parameter][field] = value.clone() if value.ndim == 0 else value
