"""Build the features of pre-activation ResNets: [N, 3, H, W] -> normalised map [N, C, h, w].

Source: He, Zhang, Ren, Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016, in the form in which Li et al.
(ICCV 2017) trained it.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["build_cifar_resnet", "build_imagenet_resnet"]

IMAGENET_EPS = 2e-5


class DataNorm(nn.Module):
    """Normalise the images' channels and shift them by a learned value: [N, 3, H, W] -> [N, 3, H, W]."""

    def __init__(self) -> None:
        super().__init__()
        # The published scale is fixed at 1, so it is no parameter that an optimiser could change.
        self.norm = nn.BatchNorm2d(3, eps=IMAGENET_EPS, affine=False)
        self.shift = nn.Parameter(torch.zeros(3))

    def forward(self, images: Tensor) -> Tensor:
        """Return the normalised images."""
        normalised: Tensor = self.norm(images)
        return normalised + self.shift.view(3, 1, 1)


class Block(nn.Module):
    """A sequence of BN, ReLU and convolution, repeated, plus a shortcut: [N, C, H, W] -> [N, C', H', W'].

    Args:
        in_channels: C.
        convolutions: (output channels, kernel side, stride) of each, padded so that only the stride shrinks the map.
        project: if True, the shortcut is a 1x1 convolution of the first ReLU's output, with the block's stride; if
            False, it is the input.
        bias: whether the convolutions have a bias.
        eps: epsilon of every BN.
    """

    def __init__(
        self, in_channels: int, convolutions: Sequence[tuple[int, int, int]], *, project: bool, bias: bool, eps: float
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels, eps=eps)
        self.relu = nn.ReLU(inplace=True)
        layers: list[nn.Module] = []
        channels, total_stride = in_channels, 1
        for out_channels, kernel, stride in convolutions:
            if layers:
                layers += [nn.BatchNorm2d(channels, eps=eps), nn.ReLU(inplace=True)]
            layers.append(nn.Conv2d(channels, out_channels, kernel, stride, padding=kernel // 2, bias=bias))
            channels, total_stride = out_channels, total_stride * stride
        self.body = nn.Sequential(*layers)
        self.projection = nn.Conv2d(in_channels, channels, 1, total_stride, bias=bias) if project else None

    def forward(self, x: Tensor) -> Tensor:
        """Return body + shortcut."""
        activated = self.relu(self.norm(x))
        shortcut = x if self.projection is None else self.projection(activated)
        total: Tensor = self.body(activated) + shortcut
        return total


def build_cifar_resnet(*, blocks: int, width: int) -> tuple[nn.Sequential, int]:
    """Build three stages of bottleneck blocks for 32x32 images.

    The first 1x1 convolution has the stride, every convolution has a bias, and the first block of every stage has a
    projection, even where the shape stays the same.

    Args:
        blocks: n, the blocks of each stage; with its head the network has 9 n + 2 layers.
        width: channels of the first convolution; the stages have 4, 8 and 16 times as many.

    Returns:
        The features, [N, 3, 32, 32] -> [N, 16 * width, 8, 8], and their channels.
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict(conv=nn.Conv2d(3, width, 3, padding=1))
    channels = width
    for stage, stride in enumerate((1, 2, 2)):
        f = 4 * width * 2**stage
        layers = []
        for number in range(blocks):
            first = number == 0
            convolutions = ((f // 4, 1, stride if first else 1), (f // 4, 3, 1), (f, 1, 1))
            layers.append(Block(channels, convolutions, project=first, bias=True, eps=1e-5))
            channels = f
        parts[f"stage{stage + 1}"] = nn.Sequential(*layers)
    parts["norm"] = nn.BatchNorm2d(channels)
    return nn.Sequential(parts), channels


def build_imagenet_resnet(
    *, blocks: tuple[int, int, int, int], width: int, bottleneck: bool
) -> tuple[nn.Sequential, int]:
    """Build four stages of basic or bottleneck blocks for 224x224 images.

    The first 3x3 convolution of a stage has the stride, and no convolution has a bias.

    Args:
        blocks: number of blocks of each stage.
        width: channels of the first convolution; basic stages have 1, 2, 4 and 8 times as many, bottleneck stages 4, 8,
            16 and 32 times.
        bottleneck: whether blocks are 1x1, 3x3, 1x1 convolutions instead of 3x3, 3x3.

    Returns:
        The features, [N, 3, 224, 224] -> [N, C, 7, 7], and C.
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        data_norm=DataNorm(),
        conv=nn.Conv2d(3, width, 7, 2, padding=3, bias=False),
        norm_first=nn.BatchNorm2d(width, eps=IMAGENET_EPS),
        relu=nn.ReLU(inplace=True),
        pool=nn.MaxPool2d(3, 2, padding=1),
    )
    channels = width
    for stage, (number_of_blocks, first_stride) in enumerate(zip(blocks, (1, 2, 2, 2), strict=True)):
        f = width * 2**stage
        layers = []
        for number in range(number_of_blocks):
            stride = first_stride if number == 0 else 1
            convolutions = ((f, 1, 1), (f, 3, stride), (4 * f, 1, 1)) if bottleneck else ((f, 3, stride), (f, 3, 1))
            layers.append(Block(channels, convolutions, project=number == 0, bias=False, eps=IMAGENET_EPS))
            channels = convolutions[-1][0]
        parts[f"stage{stage + 1}"] = nn.Sequential(*layers)
    parts["norm"] = nn.BatchNorm2d(channels, eps=IMAGENET_EPS)
    return nn.Sequential(parts), channels
