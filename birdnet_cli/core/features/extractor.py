"""Images [N, 3, H, W] -> descriptors: the backbone and any number of poolings, run once over each batch."""

from collections.abc import Mapping

import torch
from torch import Tensor

from birdnet_cli.core.backbones import Backbone, autocast_for, resolve_precision
from birdnet_cli.core.cache import State
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.poolings import (
    Pooling,
    create_pooling,
    parse_pooling,
    pooling_name,
)
from birdnet_cli.core.recipe import ExtractSettings, PoolingSettings

__all__ = ["FeatureExtractor", "build_poolings", "load_poolings", "pooling_states", "requested_poolings", "unselected"]


class FeatureExtractor:
    """A frozen backbone with its poolings on one device.

    Args:
        backbone: images -> feature map [N, C, h, w].
        poolings: descriptor name -> feature map -> [N, D].
        device: where both run.
        precision: `auto`, `float32` or `bfloat16`: arithmetic of the backbone; poolings return float32.
        flip: average each descriptor with that of the mirrored image.
    """

    def __init__(
        self, backbone: Backbone, poolings: Mapping[str, Pooling], *, device: torch.device, precision: str, flip: bool
    ) -> None:
        self.device = device
        self.dtype = resolve_precision(precision, device)
        self.flip = flip
        self.backbone = backbone.to(device).eval()
        self.poolings = {name: pooling.to(device).eval() for name, pooling in poolings.items()}

    def feature_map(self, images: Tensor) -> Tensor:
        """Return the feature map [N, C, h, w] of uint8 or float RGB images [N, 3, H, W] in 0..255."""
        images = images.to(self.device, non_blocking=True)
        with autocast_for(self.device, self.dtype):
            feature_map: Tensor = self.backbone(images)
        return feature_map

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Return descriptor name -> [N, D] float32, on the device."""
        descriptors = self._pool(images)
        if self.flip:
            for name, mirrored in self._pool(images.flip(-1)).items():
                descriptors[name] = (descriptors[name] + mirrored) / 2
        return descriptors

    def _pool(self, images: Tensor) -> dict[str, Tensor]:
        feature_map = self.feature_map(images)
        return {name: pooling(feature_map) for name, pooling in self.poolings.items()}


def requested_poolings(settings: ExtractSettings) -> dict[str, PoolingSettings]:
    """Return canonical descriptor name -> settings for everything that an extraction shall write.

    Raises:
        UnknownNameError: a name that no pooling answers to.
        UsageError: `reduce` or `select` without a pooling that they apply to.
    """
    requested = [parse_pooling(text) for text in settings.pooling]
    if settings.reduce is not None:
        _require(requested, {"bilinear", "compact"}, "--reduce")
        requested = [
            one.model_copy(update={"reduce": settings.reduce})
            if one.name in {"bilinear", "compact"} and one.reduce is None
            else one
            for one in requested
        ]
    if settings.select is not None:
        _require(requested, {"bilinear"}, "--select")
        count = int(settings.select.removeprefix("variance:"))
        requested = [
            one.model_copy(update={"select": count}) if one.name == "bilinear" and one.select is None else one
            for one in requested
        ]
    return {pooling_name(one): one for one in requested}


def unselected(settings: PoolingSettings) -> PoolingSettings:
    """Return the settings of the full descriptor that a variance selection takes its components from."""
    return settings.model_copy(update={"select": None})


def build_poolings(requested: Mapping[str, PoolingSettings], backbone: Backbone) -> dict[str, Pooling]:
    """Create one pooling per name, for the feature maps of `backbone`."""
    return {
        name: create_pooling(settings, channels=backbone.channels, nonnegative=backbone.nonnegative)
        for name, settings in requested.items()
    }


def _require(requested: list[PoolingSettings], names: set[str], flag: str) -> None:
    if not any(one.name in names for one in requested):
        raise UsageError(f"{flag} applies to {' and '.join(sorted(names))} poolings; --pooling has none")


def pooling_states(extractor: FeatureExtractor) -> State:
    """Return descriptor -> tensor name -> array of everything that its poolings were fitted to or drew."""
    return {
        name: {key: tensor.cpu().numpy() for key, tensor in pooling.state_dict().items()}
        for name, pooling in extractor.poolings.items()
        if pooling.state_dict()
    }


def load_poolings(extractor: FeatureExtractor, state: State) -> None:
    """Give poolings what `pooling_states` returned."""
    for name, tensors in state.items():
        if name in extractor.poolings:
            extractor.poolings[name].load_state_dict({key: torch.from_numpy(value) for key, value in tensors.items()})
