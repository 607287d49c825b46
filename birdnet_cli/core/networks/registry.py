"""Create, list and describe networks by name."""

from typing import Any

import torch
from torch import nn

from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.heads import create_map_head, initialize_weights
from birdnet_cli.core.networks.inception import build_inception_bn, build_inception_bn_small
from birdnet_cli.core.networks.network import Network, NetworkInfo
from birdnet_cli.core.networks.residual import build_cifar_resnet, build_imagenet_resnet

__all__ = ["create_network", "describe_network", "list_networks"]

NETWORKS = {
    info.name: info
    for info in (
        NetworkInfo("resnet164", image_size=32, factors=20),
        NetworkInfo("resnet1001", image_size=32, factors=20),
        NetworkInfo("inception_bn_small", image_size=32, factors=20),
        NetworkInfo("resnet34_v2", image_size=224, factors=50),
        NetworkInfo("resnet50_v2", image_size=224, factors=50),
        NetworkInfo("inception_bn", image_size=224, factors=20),
    )
}
CIFAR_BLOCKS = {"resnet164": 18, "resnet1001": 111}
STAGES = (3, 4, 6, 3)


def list_networks() -> list[str]:
    """Return the names of all networks."""
    return sorted(NETWORKS)


def describe_network(name: str) -> NetworkInfo:
    """Return a network's input and published settings.

    Raises:
        UnknownNameError: no such network.
    """
    if name not in NETWORKS:
        raise UnknownNameError("network", name, NETWORKS)
    return NETWORKS[name]


def create_network(
    name: str,
    *,
    head: str = "fb",
    num_classes: int,
    factors: int | None = None,
    blocks: int | tuple[int, int, int, int] | None = None,
    width: int | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
    **settings: Any,
) -> Network:
    """Create a network with initial weights, [N, 3, H, W] -> logits [N, K].

    Args:
        name: a name of `list_networks`.
        head: `fc`, `tanh` or `fb`; see `core.heads.create_map_head`.
        num_classes: K.
        factors: k of an fb head, 1 or more; None is the published number.
        blocks: blocks of every stage of a ResNet, or a tuple with those of each of the four stages of an ImageNet
            ResNet, 1 or more each; None is the published number.
        width: channels of a ResNet's first convolution, 1 or more; all other widths are multiples of it. None is the
            published number.
        seed: seed of the He-normal initial weights and of DropFactor; PyTorch's global generator is not used.
        device: where the weights lie; `meta` builds shapes without values.
        settings: settings of an fb head: `drop_prob`, `diagonal`, `mask`, `test_scale` of `FactorizedBilinearHead`.

    Raises:
        UnknownNameError: no such network or head.
        UsageError: this network or head does not have a setting that was given, or its value is out of range.
    """
    info = describe_network(name)
    if head == "fb":
        settings["factors"] = info.factors if factors is None else factors
    elif factors is not None:
        settings["factors"] = factors
    with torch.device("meta"):
        features, channels = _build_features(name, blocks=blocks, width=width)
        network = Network(
            features, create_map_head(head, channels, num_classes, seed=seed, **settings), info=info, channels=channels
        )
    device = torch.device(device)
    if device.type != "meta":
        network.to_empty(device=device)
        initialize_weights(network, generator=torch.Generator().manual_seed(seed))
    return network


def _build_features(
    name: str, *, blocks: int | tuple[int, int, int, int] | None, width: int | None
) -> tuple[nn.Sequential, int]:
    if name.startswith("inception") and (blocks, width) != (None, None):
        raise UsageError(f"{name} has no settings blocks and width; only ResNets have them")
    numbers = blocks if isinstance(blocks, tuple) else (blocks,)
    if any(number is not None and number < 1 for number in (*numbers, width)):
        raise UsageError(f"expected blocks and width of at least 1, got blocks={blocks} and width={width}")
    if name == "inception_bn_small":
        return build_inception_bn_small()
    if name == "inception_bn":
        return build_inception_bn()
    if name in CIFAR_BLOCKS:
        if isinstance(blocks, tuple):
            raise UsageError(f"{name} has the same number of blocks in every stage: expected a number, got {blocks}")
        return build_cifar_resnet(blocks=blocks or CIFAR_BLOCKS[name], width=width or 16)
    each = (blocks,) * 4 if isinstance(blocks, int) else blocks or STAGES
    return build_imagenet_resnet(blocks=each, width=width or 64, bottleneck=name == "resnet50_v2")
