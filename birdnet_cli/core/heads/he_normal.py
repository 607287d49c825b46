"""Initial weights from a named generator: N(0, 2 / fan-in), the same on every device."""

import math

import torch
from torch import Tensor

__all__ = ["draw_he_normal"]


@torch.no_grad()
def draw_he_normal(weight: Tensor, *, generator: torch.Generator) -> None:
    """Fill a weight with Gaussian values of variance 2 / fan-in.

    Args:
        weight: Tensor[O, ...]; the fan-in is the number of values per output. One on the meta device stays as it is.
        generator: of the CPU, where the values are drawn.

    Source: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015, section 2.2.
    """
    if weight.is_meta:
        return
    fan_in = max(1, math.prod(weight.shape[1:]))
    drawn = torch.randn(weight.shape, generator=generator, device="cpu")
    weight.copy_(drawn.mul_(math.sqrt(2 / fan_in)))
