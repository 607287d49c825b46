"""Convolution as matrix products: the windows of a map [N, C, H, W] as columns [G, D, N*L], and back."""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Pair", "Window"]

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """Where a kernel sees its input: D = C / groups * kh * kw values at each of L = h * w positions.

    Attributes:
        kernel: (kh, kw).
        stride: (vertical, horizontal), and so below.
        padding: zeros on either side.
        dilation: distance between the values of a window.
        groups: G; output g of G sees only the g-th part of the channels.
    """

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int

    @classmethod
    def of(cls, weight: Tensor, stride: list[int], padding: list[int], dilation: list[int], groups: int) -> Self:
        """Return the window of a weight [..., kh, kw]."""
        kh, kw = weight.shape[-2:]
        return cls((kh, kw), _pair(stride), _pair(padding), _pair(dilation), groups)

    @property
    def is_pointwise(self) -> bool:
        """Whether every window is one position of the map."""
        return self.kernel == (1, 1) and self.padding == (0, 0)

    def output_size(self, x: Tensor) -> Pair:
        """Return (h, w) for a map [N, C, H, W]; a value below 1 where the kernel does not fit."""
        h, w = (
            (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, padding, dilation in zip(
                x.shape[2:], self.kernel, self.stride, self.padding, self.dilation, strict=True
            )
        )
        return h, w

    def columns(self, x: Tensor) -> Tensor:
        """Lay the windows out as columns.

        Args:
            x: Tensor[n, C, H, W].

        Returns:
            Tensor[G, D, n*L]; for a 1x1 kernel on a channels_last map or on [n, C, 1, 1] a view.
        """
        if self.is_pointwise:
            windows = x[:, :, :: self.stride[0], :: self.stride[1]].flatten(2)  # [n, C, L]
        else:
            windows = functional.unfold(x, self.kernel, self.dilation, self.padding, self.stride)  # [n, G*D, L]
        columns = windows.transpose(0, 1).flatten(1)  # [G*D, n*L]
        return columns.view(self.groups, x.shape[1] * math.prod(self.kernel) // self.groups, columns.shape[1])

    def fold(self, columns: Tensor, x: Tensor) -> Tensor:
        """Add the columns up where their windows overlap: the transpose of `columns`.

        Args:
            columns: Tensor[G, D, n*L].
            x: Tensor[n, C, H, W], read for its shape.

        Returns:
            Tensor[n, C, H, W] in the columns' dtype.
        """
        n, C, H, W = x.shape
        h, w = self.output_size(x)
        windows = columns.reshape(-1, n, h * w).transpose(0, 1)  # [n, G*D, L]
        if not self.is_pointwise:
            return functional.fold(windows.contiguous(), (H, W), self.kernel, self.dilation, self.padding, self.stride)
        seen = windows.reshape(n, C, h, w)
        if (h, w) == (H, W):
            return seen
        result = torch.zeros(n, C, H, W, dtype=columns.dtype, device=columns.device)
        result[:, :, :: self.stride[0], :: self.stride[1]] = seen
        return result


def _pair(values: list[int]) -> Pair:
    vertical, horizontal = values
    return vertical, horizontal
