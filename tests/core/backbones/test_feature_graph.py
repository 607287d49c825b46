import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.feature_extraction import create_feature_extractor

from birdnet_cli.core.backbones.feature_graph import find_feature_maps, find_last_feature_map, is_nonnegative


class Classifier(nn.Module):
    """A network whose last rectifier, fixed-size pooling and convolutional head a careless search would confuse."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=16, padding=1)
        self.relu = nn.ReLU()
        self.shrink = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(nn.Conv2d(4, 9, 1), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        y = self.pool(self.classifier(x)).flatten(1)
        return y + self.shrink(x).mean()


class Operations(nn.Module):
    """One node for every way in which a sign is kept or lost."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.rectify = nn.ReLU6()
        self.block = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())
        self.pool = nn.MaxPool2d(2)
        self.silu = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        signed = self.conv(x)
        rectified = self.rectify(signed)
        function = functional.relu(signed)
        both = torch.cat([rectified, function], dim=1)
        mixed = torch.cat([both, signed], dim=1)
        pooled = functional.max_pool2d(functional.dropout(both, training=False), 2)
        shifted = rectified - 3
        shifted_up = rectified + -3
        return mixed.sum() + pooled.sum() + self.silu(shifted).sum() + shifted_up.sum() + self.block(x).sum()


def on_meta(kind: type[nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return kind().eval()


def test_the_last_feature_map_is_before_fixed_size_pooling_and_outside_the_head():
    maps = find_feature_maps(on_meta(Classifier))
    assert {"stem", "relu", "shrink", "classifier.1"} <= set(maps)
    assert find_last_feature_map(maps) == "relu"
    assert maps["relu"].channels == 4
    assert not maps["shrink"].follows_image


@pytest.mark.parametrize(
    ("node", "nonnegative"),
    [
        ("conv", False),
        ("rectify", True),
        ("relu", True),
        ("block", True),
        ("cat", True),
        ("cat_1", False),
        ("max_pool2d", True),
        ("sub", False),
        ("add", False),
        ("silu", False),
    ],
)
def test_only_a_proven_sign_counts_as_nonnegative(node, nonnegative):
    extractor = create_feature_extractor(on_meta(Operations), [node]).eval()
    assert is_nonnegative(extractor) is nonnegative
