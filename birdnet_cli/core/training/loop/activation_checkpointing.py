"""Activation checkpointing: a network runs in segments, and the backward pass recomputes each segment's activations.

A network of n layers is divided into about sqrt(n) segments, which keeps the fewest activations in memory: the inputs
of all segments, and the activations inside a single segment.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from torch import Tensor, fx, nn
from torch.fx.passes.split_module import split_module
from torch.utils.checkpoint import checkpoint

from birdnet_cli.core.backbones import Backbone
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.training.setup.classifier import NormStatistics

__all__ = ["recompute_activations"]


def recompute_activations(backbone: Backbone) -> Callable[[Tensor], Tensor]:
    """Return a function that computes `backbone(images)` in training with less memory and a second forward pass.

    It uses the backbone's own parameters. Random draws are repeated in the second pass, and BatchNorm's statistics
    change in the first pass only.

    Args:
        backbone: VGG, or a classifier of torchvision.

    Returns:
        A function of images [N, 3, S, S] that returns the feature map [N, C, h, w].

    Raises:
        UsageError: it is not known how to divide the network.
    """
    network = backbone.network
    if isinstance(network, fx.GraphModule):
        run = _divide_graph(network, backbone.layer)
    elif isinstance(network, nn.Sequential):
        run = _divide_sequence(network)
    else:
        raise UsageError(
            f"finetune.checkpoint_activations: fbn cannot divide {backbone.name} into segments; leave the setting out"
        )
    return lambda images: run(backbone.preprocessing.apply(images))


def _divide_sequence(network: nn.Sequential) -> Callable[[Tensor], Tensor]:
    layers: list[nn.Module] = []
    for part in network:
        layers.extend(part if isinstance(part, nn.Sequential) else [part])
    size = math.ceil(math.sqrt(len(layers)))
    segments = [_recomputed(nn.Sequential(*layers[start : start + size])) for start in range(0, len(layers), size)]

    def run(x: Tensor) -> Tensor:
        for segment in segments:
            x = segment(x)
        return x

    return run


def _divide_graph(network: fx.GraphModule, layer: str) -> Callable[[Tensor], Tensor]:
    was_training = network.training
    # A traced backbone has a graph for training and a graph for evaluation.
    network.train()
    order = {node: place for place, node in enumerate(network.graph.nodes)}
    count = math.ceil(math.sqrt(len(order)))
    divided = split_module(network, network, lambda node: order[node] * count // len(order), keep_original_order=True)
    network.train(was_training)
    for name, segment in list(divided.named_children()):
        if name.startswith("submod_"):
            segment.forward = _recomputed(segment)
    return lambda x: divided(x)[layer]


def _recomputed(segment: nn.Module) -> Callable[..., Tensor]:
    forward = segment.forward

    def fresh(*inputs: Tensor) -> Tensor:
        # A segment may begin with an operation in place, which would change the input of the second pass.
        result: Tensor = forward(*(tensor.clone() for tensor in inputs))
        return result

    def run(*inputs: Tensor) -> Tensor:
        result: Tensor = checkpoint(
            fresh, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), _unchanged_statistics(segment))
        )
        return result

    return run


@contextmanager
def _unchanged_statistics(segment: nn.Module) -> Iterator[None]:
    statistics = NormStatistics(segment)
    try:
        yield
    finally:
        statistics.restore()
