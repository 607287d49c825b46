"""Find the feature maps that a torchvision classifier computes: trace it, and run it on the meta device."""

from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F  # noqa: N812
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names
from torchvision.ops import StochasticDepth

__all__ = ["FeatureMap", "find_feature_maps", "find_last_feature_map", "is_nonnegative"]

# Two image sides: a map that has the same size for both lies behind a fixed-size pooling.
PROBE_SIDES = (224, 448)
HEADS = ("classifier", "fc", "head")

RECTIFIERS: tuple[type[nn.Module], ...] = (nn.ReLU, nn.ReLU6)
# Modules whose output is nonnegative if their input is.
SIGN_KEEPERS: tuple[type[nn.Module], ...] = (
    nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Dropout, nn.Identity, StochasticDepth,
)  # fmt: skip
RECTIFYING_FUNCTIONS = {F.relu, F.relu6, torch.relu}
SIGN_KEEPING_FUNCTIONS = {
    F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d, F.dropout, torch.cat,
}  # fmt: skip


@dataclass(frozen=True)
class FeatureMap:
    """A node of a traced network whose output is [N, C, h, w].

    Attributes:
        channels: C.
        follows_image: whether h and w grow with the image, so that the node comes before any fixed-size pooling.
    """

    channels: int
    follows_image: bool


def find_feature_maps(model: nn.Module) -> dict[str, FeatureMap]:
    """Return the nodes whose output is [N, C, h, w], in the order of computation.

    Args:
        model: a classifier on the meta device, in eval mode; only shapes are computed.
    """
    train_nodes, eval_nodes = get_graph_node_names(model, suppress_diff_warning=True)
    extractor = create_feature_extractor(
        model,
        train_return_nodes=train_nodes[-1:],
        # The first node is the image itself.
        eval_return_nodes=eval_nodes[1:],
        suppress_diff_warning=True,
    ).eval()
    with torch.no_grad():
        small, large = (extractor(torch.empty(2, 3, side, side, device="meta")) for side in PROBE_SIDES)
    return {
        node: FeatureMap(channels=output.shape[1], follows_image=output.shape[2:] != large[node].shape[2:])
        for node, output in small.items()
        if isinstance(output, Tensor) and output.ndim == 4
    }


def find_last_feature_map(maps: dict[str, FeatureMap]) -> str:
    """Return the last node before the global pooling that is not part of a convolutional head (SqueezeNet's)."""
    return [node for node, found in maps.items() if found.follows_image and node.split(".")[0] not in HEADS][-1]


def is_nonnegative(extractor: fx.GraphModule) -> bool:
    """Return True only if the single output of a feature extractor provably has no value below 0.

    The search goes back from the output. A rectifier's output is nonnegative; that of a pooling, dropout or
    concatenation is if all its inputs are. Any other operation counts as signed: wrongly signed costs speed, and the
    result stays correct.
    """
    output = next(node for node in extractor.graph.nodes if node.op == "output")
    (result,) = output.args[0].values()
    return _node_is_nonnegative(extractor, result)


def _node_is_nonnegative(extractor: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        module = _last_of(extractor.get_submodule(str(node.target)))
        if isinstance(module, RECTIFIERS):
            return True
        keeps_sign = isinstance(module, SIGN_KEEPERS)
    elif node.op == "call_function":
        if node.target in RECTIFYING_FUNCTIONS:
            return True
        keeps_sign = node.target in SIGN_KEEPING_FUNCTIONS
    else:
        return False
    inputs = node.all_input_nodes
    return keeps_sign and bool(inputs) and all(_node_is_nonnegative(extractor, source) for source in inputs)


def _last_of(module: nn.Module) -> nn.Module:
    while isinstance(module, nn.Sequential) and len(module):
        module = module[-1]
    return module
