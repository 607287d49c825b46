"""A module as it was built, values uninitialised -> the values that training starts from."""

import torch
from torch import nn

from birdnet_cli.core.heads.drop_factor import DropFactor
from birdnet_cli.core.heads.he_normal import draw_he_normal

__all__ = ["initialize_weights"]


@torch.no_grad()
def initialize_weights(module: nn.Module, *, generator: torch.Generator) -> None:
    """Draw weights of more than one dimension by `draw_he_normal`, and set everything else to its usual constant.

    Scales and running variances become 1; biases, shifts and running means 0; DropFactor begins again.

    Args:
        module: on any device; on the meta device nothing happens.
        generator: of the CPU; nothing else is drawn from.
    """
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm | DropFactor):
            layer.reset() if isinstance(layer, DropFactor) else layer.reset_parameters()
            continue
        for parameter in layer.parameters(recurse=False):
            if parameter.dim() > 1:
                draw_he_normal(parameter, generator=generator)
            else:
                parameter.zero_()
