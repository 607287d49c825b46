"""Names of heads: `linear`, `tanh`, `fb` or a descriptor -> what comes between the feature map and the scores."""

from birdnet_cli.core.errors import UnknownNameError
from birdnet_cli.core.poolings import list_poolings, parse_pooling
from birdnet_cli.core.recipe import PoolingSettings

__all__ = ["MAP_HEADS", "parse_head"]

LINEAR = PoolingSettings(name="avg", normalize=False)
# Heads that take the feature map itself.
MAP_HEADS = ("tanh", "fb")


def parse_head(name: str) -> PoolingSettings | str:
    """Return the descriptor before a linear layer, or the name of a head that takes the feature map.

    Args:
        name: `linear`, `tanh`, `fb`, or a name of `core.poolings`.

    Raises:
        UnknownNameError: none of these.
        UsageError: as `parse_pooling`.
    """
    if name in MAP_HEADS:
        return name
    if name == "linear":
        return LINEAR
    if name.partition("-")[0] not in {one.partition("-")[0] for one in list_poolings()}:
        raise UnknownNameError("head", name, ["linear", *MAP_HEADS, *list_poolings()])
    return parse_pooling(name)
