import torch
from torch import nn

from birdnet_cli.core.networks.network import Network, NetworkInfo


def test_the_head_takes_the_features() -> None:
    features = nn.Sequential(nn.Conv2d(3, 4, 3))
    head = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    network = Network(features, head, info=NetworkInfo("small", image_size=8, factors=20), channels=4)
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert network(images).shape == (2, 2)
    assert torch.equal(network(images), head(features(images)))


def test_pixels_are_centred_by_the_mean_colour_of_imagenet_unless_told_otherwise() -> None:
    info = NetworkInfo("small", image_size=8, factors=20)
    assert (info.mean, info.std, info.scale) == ((123.68, 116.779, 103.939), (1.0, 1.0, 1.0), 1.0)
