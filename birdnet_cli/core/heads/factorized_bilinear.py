"""The Factorized Bilinear layer, [N, C, H, W] -> [N, O, h, w] or [N, C] -> [N, O], and the head built on it."""

from typing import Literal

import torch
from torch import Tensor, nn

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.heads.drop_factor import DropFactor, MaskKind
from birdnet_cli.core.heads.initialize import initialize_weights
from birdnet_cli.core.ops import fb_quadratic

__all__ = ["FactorizedBilinear", "FactorizedBilinearHead", "TestScale"]

TestScale = Literal["none", "keep"]
Pair = tuple[int, int]


class FactorizedBilinear(nn.Module):
    """The quadratic term and a bias: y_o = b_o + sum_k s_k [(f_ok . x)^2 - sum_c f_okc^2 x_c^2].

    x is the window that a convolution of the same geometry sees. There is no linear term: `FactorizedBilinearHead` adds
    it beside this layer, as the published networks do. F and QF with an orthogonal Q [K, K] are the same function.

    Args:
        in_channels: C.
        out_channels: O.
        factors: K; 0 leaves the bias alone.
        kernel_size, stride, padding, dilation, groups: of the convolution, one value or (vertical, horizontal).
        diagonal: keep the terms i = j, as the paper writes the layer; without them, as the authors trained it.
        drop_prob: DropFactor's probability of dropping a factor in training, in [0, 1).
        mask: DropFactor's granularity, `batch` or `sample`.
        test_scale: `none` evaluates the function that was trained; `keep` multiplies the quadratic term by 1 -
            drop_prob in evaluation, although training has scaled it up by the inverse, as the authors' operators do.
        bias: learn b.
        seed: of the initial F, N(0, 2 / (K C kh kw)), and of DropFactor; nothing is drawn from PyTorch's global
            generator.

    Raises:
        UsageError: a setting out of range, or groups that do not divide the channels.

    Source: Li, Wang, Liu, Hou, "Factorized Bilinear Models for Image Recognition", ICCV 2017, sections 3 and 4.
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        factors: int = 20,
        kernel_size: int | Pair = 1,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        diagonal: bool = False,
        drop_prob: float = 0.0,
        mask: MaskKind = "batch",
        test_scale: TestScale = "none",
        bias: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise UsageError(f"groups={groups} does not divide {in_channels} input and {out_channels} output channels")
        if factors < 0:
            raise UsageError(f"factors: expected a number of at least 0, got {factors}")
        if test_scale not in ("none", "keep"):
            raise UsageError(f"test_scale: expected 'none' or 'keep', got '{test_scale}'")
        kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.groups = groups
        self.diagonal = diagonal
        self.test_scale = test_scale
        self.seed = seed
        self.weight = nn.Parameter(torch.empty(out_channels, factors, in_channels // groups, *kernel))
        self.register_parameter("bias", nn.Parameter(torch.empty(out_channels)) if bias else None)
        self.drop = DropFactor(factors, drop_prob=drop_prob, mask=mask, seed=seed)
        # F = 0 would have no gradient, and would stay.
        initialize_weights(self, generator=torch.Generator().manual_seed(seed))

    def forward(self, x: Tensor) -> Tensor:
        """Return y in float32 (float64 for float64): [N, C, H, W] -> [N, O, h, w], or [N, C] -> [N, O].

        Raises:
            UsageError: x does not fit the layer.
        """
        scale = self.drop(len(x))
        if x.dim() == 2:
            y = fb_quadratic(x, self._matrix(), diagonal=self.diagonal, scale=scale)
        else:
            y = fb_quadratic(
                x,
                self.weight,
                diagonal=self.diagonal,
                scale=scale,
                stride=self.stride,
                padding=self.padding,
                dilation=self.dilation,
                groups=self.groups,
            )
        if self.test_scale == "keep" and not self.training:
            y = y * self.drop.keep
        return y if self.bias is None else y + self.bias.view(-1, *[1] * (y.dim() - 2))

    def extra_repr(self) -> str:
        """Return the settings, for print."""
        outputs, K, C, *kernel = self.weight.shape
        return f"{C * self.groups}, {outputs}, factors={K}, kernel_size={tuple(kernel)}, diagonal={self.diagonal}"

    def _matrix(self) -> Tensor:
        if self.weight.shape[3:] != (1, 1) or self.groups != 1:
            raise UsageError("a layer with a kernel of 1x1 and one group takes [N, C]; this one takes [N, C, H, W]")
        return self.weight.flatten(2)


class FactorizedBilinearHead(nn.Module):
    """A linear and a Factorized Bilinear 1x1 convolution side by side, averaged over the map: [N, C, h, w] -> [N, K].

    The map is one that tanh has bounded; `create_map_head` puts it before this head. Two biases per class are one more
    than needed, as in the published networks and their parameter counts.

    Args:
        in_channels: C.
        num_classes: K.
        factors, diagonal, drop_prob, mask, test_scale, seed: see `FactorizedBilinear`.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        factors: int = 20,
        diagonal: bool = False,
        drop_prob: float = 0.5,
        mask: MaskKind = "batch",
        test_scale: TestScale = "none",
        seed: int = 0,
    ) -> None:
        super().__init__()
        # Without the initial values that it would draw from the global generator.
        linear = nn.Conv2d(in_channels, num_classes, kernel_size=1, device="meta")
        self.linear = linear.to_empty(device=torch.get_default_device())
        # Not from the start of the numbers that F gets.
        initialize_weights(self.linear, generator=torch.Generator().manual_seed(seed + 1))
        self.quadratic = FactorizedBilinear(
            in_channels,
            num_classes,
            factors=factors,
            diagonal=diagonal,
            drop_prob=drop_prob,
            mask=mask,
            test_scale=test_scale,
            seed=seed,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits in float32 (float64 for float64)."""
        scores: Tensor = self.linear(x) + self.quadratic(x)  # [N, K, h, w]
        return scores.mean((2, 3))
