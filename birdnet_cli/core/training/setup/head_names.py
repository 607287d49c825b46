"""Names of heads: `fc`, `tanh`, `fb`, or a descriptor before a linear layer -> what they stand for."""

from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.heads import list_map_heads
from birdnet_cli.core.poolings import list_poolings, parse_pooling
from birdnet_cli.core.recipe import FinetuneSettings, MapHeadSettings, PoolingSettings

__all__ = ["describe_head"]

FACTORS = 20
LINEAR = PoolingSettings(name="avg", normalize=False)


def describe_head(settings: FinetuneSettings) -> PoolingSettings | MapHeadSettings:
    """Return the descriptor before a linear layer, or the head on the feature map, that settings name.

    Raises:
        UnknownNameError: no such head.
        UsageError: as `parse_pooling`, or a descriptor for a network of `core.networks`.
    """
    name = settings.head
    if name in list_map_heads():
        return MapHeadSettings.model_validate(
            {
                "name": name,
                # Networks end in a normalization of their own.
                "norm": settings.network is None,
                "factors": FACTORS if settings.factors is None else settings.factors,
                "diagonal": settings.diagonal,
                "drop_prob": settings.drop_factor,
                "mask": settings.drop_mask,
                "test_scale": settings.test_scale,
            }
        )
    known = ["linear", *list_poolings()]
    if name.partition("-")[0] not in {one.partition("-")[0] for one in known}:
        raise UnknownNameError("head", name, [*list_map_heads(), *known])
    if settings.network is not None:
        raise UsageError(
            f"finetune.head: {settings.network} has the heads {', '.join(list_map_heads())}, not '{name}': those on "
            "descriptors are for backbones"
        )
    return LINEAR if name == "linear" else parse_pooling(name)
