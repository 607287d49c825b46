"""Inception-BN: branches side by side, and blocks that halve the map."""

import torch
from torch import nn

from birdnet_cli.core.networks.inception import Branches, build_inception_bn, build_inception_bn_small


def shapes(features: nn.Sequential, side: int) -> dict[str, tuple[int, ...]]:
    x = torch.empty(2, 3, side, side, device="meta")
    found = {}
    for name, part in features.named_children():
        x = part(x)
        found[name] = tuple(x.shape[1:])
    return found


def test_branches_lie_one_behind_the_other_along_the_channels() -> None:
    double, halve = nn.Conv2d(1, 1, 1, bias=False), nn.Conv2d(1, 2, 1, bias=False)
    nn.init.constant_(double.weight, 2)
    nn.init.constant_(halve.weight, 0.5)
    result = Branches([double, halve])(torch.ones(1, 1, 2, 3))
    assert result.shape == (1, 3, 2, 3)
    assert result[0, :, 0, 0].tolist() == [2, 0.5, 0.5]


def test_small_network_has_the_channels_and_sides_of_its_table() -> None:
    with torch.device("meta"):
        features, channels = build_inception_bn_small()
    assert channels == 336
    assert shapes(features, 32) == {
        "conv1": (96, 32, 32),
        "3a": (64, 32, 32), "3b": (80, 32, 32), "3c": (160, 16, 16),
        "4a": (160, 16, 16), "4b": (160, 16, 16), "4c": (160, 16, 16), "4d": (144, 16, 16), "4e": (240, 8, 8),
        "5a": (336, 8, 8), "5b": (336, 8, 8),
    }  # fmt: skip


def test_large_network_has_the_channels_and_sides_of_its_table() -> None:
    with torch.device("meta"):
        features, channels = build_inception_bn()
    assert channels == 1024
    assert shapes(features, 224) == {
        "conv1": (64, 112, 112), "pool1": (64, 56, 56),
        "conv2_reduce": (64, 56, 56), "conv2": (192, 56, 56), "pool2": (192, 28, 28),
        "3a": (256, 28, 28), "3b": (320, 28, 28), "3c": (576, 14, 14),
        "4a": (576, 14, 14), "4b": (576, 14, 14), "4c": (608, 14, 14), "4d": (608, 14, 14), "4e": (1056, 7, 7),
        "5a": (1024, 7, 7), "5b": (1024, 7, 7),
    }  # fmt: skip


def test_only_the_last_block_is_not_activated() -> None:
    for build in (build_inception_bn_small, build_inception_bn):
        with torch.device("meta"):
            features, _ = build()
        ends = {name: list(part.modules())[-1] for name, part in features.named_children() if name[0] in "345"}
        active = {name for name, end in ends.items() if isinstance(end, nn.ReLU | nn.MaxPool2d)}
        assert set(ends) - active == {"5b"}
