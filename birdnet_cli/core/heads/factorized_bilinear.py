"""The Factorized Bilinear layer, [N, C, H, W] -> [N, O, h, w] or [N, C] -> [N, O], and the head built on it."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.heads.drop_factor import DropFactor, MaskKind
from birdnet_cli.core.heads.initialize import initialize_weights
from birdnet_cli.core.ops import fb_quadratic

__all__ = ["ConvGeometry", "FactorDropping", "FactorizedBilinear", "FactorizedBilinearHead", "TestScale"]

TestScale = Literal["none", "keep"]
Pair = tuple[int, int]


@dataclass(frozen=True)
class ConvGeometry:
    """Geometry of a convolution, as of `torch.nn.Conv2d`; each size is one value or (vertical, horizontal)."""

    kernel_size: int | Pair = 1
    stride: int | Pair = 1
    padding: int | Pair = 0
    dilation: int | Pair = 1
    groups: int = 1


@dataclass(frozen=True)
class FactorDropping:
    """Settings of DropFactor inside a Factorized Bilinear layer.

    Attributes:
        drop_prob: probability of dropping a factor in training, in [0, 1).
        mask: a mask for each `batch` or for each `sample`.
        test_scale: `none` evaluates the function that was trained; `keep` multiplies the quadratic term by 1 -
            drop_prob in evaluation, although training has scaled it up by the inverse, as the authors' operators do.
    """

    drop_prob: float = 0.0
    mask: MaskKind = "batch"
    test_scale: TestScale = "none"


class FactorizedBilinear(nn.Module):
    """The quadratic term and a bias: y_o = b_o + sum_k s_k [(f_ok . x)^2 - sum_c f_okc^2 x_c^2].

    x is the window that a convolution of the same geometry sees. There is no linear term: `FactorizedBilinearHead` adds
    it beside this layer, as the published networks do. F and QF with an orthogonal Q [K, K] are the same function.

    Args:
        in_channels: C.
        out_channels: O.
        factors: K; 0 leaves the bias alone.
        geometry: geometry of the convolution whose window x is; the default is a 1x1 convolution.
        diagonal: True keeps the terms i = j, as the paper writes the layer; False leaves them out, as the authors
            trained it.
        dropping: settings of DropFactor; the default drops nothing.
        bias: learn b.
        seed: seed of the initial F, N(0, 2 / (K C kh kw)), and of DropFactor; nothing is drawn from PyTorch's global
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
        geometry: ConvGeometry = ConvGeometry(),
        diagonal: bool = False,
        dropping: FactorDropping = FactorDropping(),
        bias: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        groups = geometry.groups
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise UsageError(f"groups={groups} does not divide {in_channels} input and {out_channels} output channels")
        if factors < 0:
            raise UsageError(f"factors: expected a number of at least 0, got {factors}")
        if dropping.test_scale not in ("none", "keep"):
            raise UsageError(f"test_scale: expected 'none' or 'keep', got '{dropping.test_scale}'")
        size = geometry.kernel_size
        kernel = (size, size) if isinstance(size, int) else size
        self.geometry = geometry
        self.diagonal = diagonal
        self.test_scale = dropping.test_scale
        self.seed = seed
        self.weight = nn.Parameter(torch.empty(out_channels, factors, in_channels // groups, *kernel))
        self.register_parameter("bias", nn.Parameter(torch.empty(out_channels)) if bias else None)
        self.drop = DropFactor(factors, drop_prob=dropping.drop_prob, mask=dropping.mask, seed=seed)
        # F = 0 would have zero gradient and never change.
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
                stride=self.geometry.stride,
                padding=self.geometry.padding,
                dilation=self.geometry.dilation,
                groups=self.geometry.groups,
            )
        if self.test_scale == "keep" and not self.training:
            y = y * self.drop.keep
        return y if self.bias is None else y + self.bias.view(-1, *[1] * (y.dim() - 2))

    def extra_repr(self) -> str:
        """Return the settings, for print."""
        outputs, K, C, *kernel = self.weight.shape
        return (
            f"{C * self.geometry.groups}, {outputs}, factors={K}, kernel_size={tuple(kernel)}, diagonal={self.diagonal}"
        )

    def _matrix(self) -> Tensor:
        if self.weight.shape[3:] != (1, 1) or self.geometry.groups != 1:
            raise UsageError("a layer with a kernel of 1x1 and one group takes [N, C]; this one takes [N, C, H, W]")
        return self.weight.flatten(2)


class FactorizedBilinearHead(nn.Module):
    """The mean over positions of a linear plus a Factorized Bilinear 1x1 convolution: [N, C, h, w] -> [N, K].

    `create_map_head` bounds the map by tanh before this head. Each class has two biases, as in the published networks
    and their parameter counts.

    Args:
        in_channels: C.
        num_classes: K.
        factors, diagonal, seed: see `FactorizedBilinear`.
        drop_prob, mask, test_scale: see `FactorDropping`.
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
        # Built on meta, so that no initial values are drawn from the global generator.
        linear = nn.Conv2d(in_channels, num_classes, kernel_size=1, device="meta")
        self.linear = linear.to_empty(device=torch.get_default_device())
        # Another seed than F's, so that both do not get the same numbers.
        initialize_weights(self.linear, generator=torch.Generator().manual_seed(seed + 1))
        self.quadratic = FactorizedBilinear(
            in_channels,
            num_classes,
            factors=factors,
            diagonal=diagonal,
            dropping=FactorDropping(drop_prob, mask, test_scale),
            seed=seed,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits in float32 (float64 for float64)."""
        scores: Tensor = self.linear(x) + self.quadratic(x)  # [N, K, h, w]
        return scores.mean((2, 3))
