"""Whole networks that are trained from random values: images [N, 3, H, W] -> logits [N, K]."""

from birdnet_cli.core.networks.network import Network, NetworkInfo
from birdnet_cli.core.networks.registry import create_network, describe_network, list_networks

__all__ = ["Network", "NetworkInfo", "create_network", "describe_network", "list_networks"]
