"""Name of a head (`fc`, `tanh`, `fb`, `linear` or a pooling) -> its settings."""

from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.heads import list_map_heads
from birdnet_cli.core.poolings import list_poolings, parse_pooling
from birdnet_cli.core.recipe import FinetuneSettings, MapHeadSettings, PoolingSettings

__all__ = ["describe_head"]

FACTORS = 20
LINEAR = PoolingSettings(name="avg", normalize=False)


def describe_head(settings: FinetuneSettings) -> PoolingSettings | MapHeadSettings:
    """Return the settings of the head that `settings.head` names.

    Returns:
        Settings of a pooling whose descriptor a linear layer classifies, or of a head on the feature map.

    Raises:
        UnknownNameError: there is no head of this name.
        UsageError: as `parse_pooling`, or the head is a pooling and the network is one of `core.networks`.
    """
    name = settings.head
    if name in list_map_heads():
        return MapHeadSettings.model_validate(
            {
                "name": name,
                # The networks of `core.networks` end in a normalization.
                "norm": settings.network is None,
                "factors": FACTORS if settings.factors is None else settings.factors,
                "diagonal": settings.diagonal,
                "drop_prob": settings.drop_factor,
                "mask": settings.drop_mask,
                "test_scale": settings.test_scale,
            }
        )
    known = ["linear", *list_poolings()]
    if name.partition("-")[0] not in {pooling.partition("-")[0] for pooling in known}:
        raise UnknownNameError("head", name, [*list_map_heads(), *known])
    if settings.network is not None:
        raise UsageError(
            f"finetune.head: {settings.network} has the heads {', '.join(list_map_heads())}, not '{name}'; "
            "poolings are for backbones"
        )
    return LINEAR if name == "linear" else parse_pooling(name)
