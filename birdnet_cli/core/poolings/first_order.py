"""Max and average pooling of a feature map, [N, C, h, w] -> [N, C]."""

import torch
from torch import Tensor, nn

from birdnet_cli.core.poolings.normalize import l2_normalize, signed_sqrt

__all__ = ["AvgPooling", "MaxPooling"]


class MaxPooling(nn.Module):
    """The largest value of each channel.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dim = channels

    def forward(self, x: Tensor) -> Tensor:
        """Return Tensor[N, C] for x [N, C, h, w]."""
        return x.amax((2, 3))


class AvgPooling(nn.Module):
    """The mean of each channel, then its signed square root and l2 normalization.

    Args:
        channels: C.
        normalize: False leaves the means as they are.
    """

    def __init__(self, channels: int, *, normalize: bool) -> None:
        super().__init__()
        self.dim = channels
        self.normalize = normalize

    def forward(self, x: Tensor) -> Tensor:
        """Return Tensor[N, C], at least float32, for x [N, C, h, w]."""
        mean = x.mean((2, 3), dtype=torch.promote_types(x.dtype, torch.float32))  # [N, C]
        return l2_normalize(signed_sqrt(mean)) if self.normalize else mean
