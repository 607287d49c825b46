"""Initial values of a module's parameters and buffers, drawn from a named generator, the same on every device."""

import math

import torch
from torch import Tensor, nn

from birdnet_cli.core.heads.drop_factor import DropFactor

__all__ = ["draw_he_normal", "initialize_weights"]


@torch.no_grad()
def initialize_weights(module: nn.Module, *, generator: torch.Generator) -> None:
    """Draw weights of more than one dimension by `draw_he_normal`, and set everything else to its usual constant.

    Scales and running variances become 1; biases, shifts and running means 0; DropFactor returns to its first key.

    Args:
        module: a module on any device; on the meta device nothing happens.
        generator: a CPU generator; no other random numbers are drawn.
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


@torch.no_grad()
def draw_he_normal(weight: Tensor, *, generator: torch.Generator) -> None:
    """Fill a weight with Gaussian values of variance 2 / fan-in.

    Args:
        weight: Tensor[O, ...]; the fan-in is the number of values per output. A weight on the meta device stays as it
            is.
        generator: a CPU generator; the values are drawn on the CPU.

    Source: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015, section 2.2.
    """
    if weight.is_meta:
        return
    fan_in = max(1, math.prod(weight.shape[1:]))
    drawn = torch.randn(weight.shape, generator=generator, device="cpu")
    weight.copy_(drawn.mul_(math.sqrt(2 / fan_in)))
