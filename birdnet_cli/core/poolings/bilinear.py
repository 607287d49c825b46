"""Bilinear pooling of a feature map, [N, C, h, w] -> [N, C(C+1)/2], as a module."""

from torch import Tensor, nn

from birdnet_cli.core.ops import bilinear_pool

__all__ = ["BilinearPooling"]


class BilinearPooling(nn.Module):
    """The signed square root of each image's Gram matrix, l2-normalized; see `core.ops.bilinear_pool`.

    Args:
        channels: C.
        nonnegative: the feature map is the output of a ReLU.
        packed: keep C(C+1)/2 values of the C*C.
    """

    def __init__(self, channels: int, *, nonnegative: bool, packed: bool) -> None:
        super().__init__()
        self.dim = channels * (channels + 1) // 2 if packed else channels**2
        self.nonnegative = nonnegative
        self.packed = packed

    def forward(self, x: Tensor) -> Tensor:
        """Return Tensor[N, dim], at least float32, for x [N, C, h, w]."""
        return bilinear_pool(x, nonnegative=self.nonnegative, packed=self.packed)
