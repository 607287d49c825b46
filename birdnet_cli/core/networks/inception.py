"""Build the features of Inception-BN, for CIFAR or ImageNet: [N, 3, H, W] -> normalised map [N, C, h, w].

Source: Ioffe, Szegedy, "Batch Normalization", ICML 2015, figure 5, and its small form for CIFAR that Li et al. (ICCV
2017) trained. Every convolution has a bias.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["build_inception_bn", "build_inception_bn_small"]


class Branches(nn.ModuleList):
    """Modules side by side on one input, their outputs concatenated: [N, C, H, W] -> [N, C', H', W']."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of all branches, in order, along the channels."""
        return torch.cat([branch(x) for branch in self], dim=1)


def build_inception_bn_small() -> tuple[nn.Sequential, int]:
    """Build the features for 32x32 images.

    Returns:
        The features, [N, 3, 32, 32] -> [N, 336, 8, 8], and their 336 channels.
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict(conv1=_convolution(3, 96, 3))
    channels = 96
    # (1x1, 3x3) channels of a block that keeps the map's size; 3x3 channels of a block that halves it.
    blocks: dict[str, tuple[int, int] | int] = {
        "3a": (32, 32), "3b": (32, 48), "3c": 80,
        "4a": (112, 48), "4b": (96, 64), "4c": (80, 80), "4d": (48, 96), "4e": 96,
        "5a": (176, 160), "5b": (176, 160),
    }  # fmt: skip
    for name, block in blocks.items():
        if isinstance(block, int):
            parts[name] = Branches([_convolution(channels, block, 3, stride=2), nn.MaxPool2d(3, 2, padding=1)])
            channels += block
        else:
            # The head begins with the activation of the last block.
            active = name != "5b"
            sides = zip(block, (1, 3), strict=True)
            parts[name] = Branches([_convolution(channels, out, side, active=active) for out, side in sides])
            channels = sum(block)
    return nn.Sequential(parts), channels


def build_inception_bn() -> tuple[nn.Sequential, int]:
    """Build the features for 224x224 images, whose maps have sides of 112, 56, 28, 14 and 7.

    Returns:
        The features, [N, 3, 224, 224] -> [N, 1024, 7, 7], and their 1024 channels.
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=_convolution(3, 64, 7, stride=2),
        # Rounded up, as in the paper's figure: 112 -> 56.
        pool1=nn.MaxPool2d(3, 2, ceil_mode=True),
        conv2_reduce=_convolution(64, 64, 1),
        conv2=_convolution(64, 192, 3),
        pool2=nn.MaxPool2d(3, 2, ceil_mode=True),
    )
    channels = 192
    # Channels of the four branches: 1x1; 1x1, 3x3; 1x1, 3x3, 3x3; 1x1 after the pooling. A block whose first and last
    # are 0 has neither of these branches and halves the map.
    blocks: dict[str, tuple[int, tuple[int, int], tuple[int, int], int]] = {
        "3a": (64, (64, 64), (64, 96), 32), "3b": (64, (64, 96), (64, 96), 64), "3c": (0, (128, 160), (64, 96), 0),
        "4a": (224, (64, 96), (96, 128), 128), "4b": (192, (96, 128), (96, 128), 128),
        "4c": (160, (128, 160), (128, 160), 128), "4d": (96, (128, 192), (160, 192), 128),
        "4e": (0, (128, 192), (192, 256), 0),
        "5a": (352, (192, 320), (160, 224), 128), "5b": (352, (192, 320), (192, 224), 128),
    }  # fmt: skip
    for name, (single, double, triple, projected) in blocks.items():
        stride = 1 if single else 2
        active = name != "5b"
        branches = [
            _chain(channels, [(double[0], 1, 1), (double[1], 3, stride)], active=active),
            _chain(channels, [(triple[0], 1, 1), (triple[1], 3, 1), (triple[1], 3, stride)], active=active),
        ]
        out = double[1] + triple[1]
        if single:
            pool = nn.MaxPool2d(3, 1, padding=1) if name == "5b" else nn.AvgPool2d(3, 1, padding=1)
            projection = _convolution(channels, projected, 1, active=active)
            branches = [_convolution(channels, single, 1, active=active), *branches, nn.Sequential(pool, projection)]
            channels = out + single + projected
        else:
            branches.append(nn.Sequential(nn.MaxPool2d(3, 2, padding=1)))
            channels += out
        parts[name] = Branches(branches)
    return nn.Sequential(parts), channels


def _chain(in_channels: int, convolutions: Sequence[tuple[int, int, int]], *, active: bool) -> nn.Sequential:
    # `convolutions` are (output channels, kernel side, stride), applied in order; `active` is for the last of them.
    layers = []
    for number, (out_channels, side, stride) in enumerate(convolutions, start=1):
        ends = number == len(convolutions)
        layers.append(_convolution(in_channels, out_channels, side, stride=stride, active=active or not ends))
        in_channels = out_channels
    return nn.Sequential(*layers)


def _convolution(
    in_channels: int, out_channels: int, side: int, *, stride: int = 1, active: bool = True
) -> nn.Sequential:
    layers = [nn.Conv2d(in_channels, out_channels, side, stride, padding=side // 2), nn.BatchNorm2d(out_channels)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if active else nn.Sequential(*layers)
