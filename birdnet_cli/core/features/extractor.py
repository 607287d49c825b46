"""Images [N, 3, H, W] -> descriptors [N, D]: a frozen backbone and any number of poolings, run once over each batch."""

from collections.abc import Callable, Iterable, Mapping
from typing import Self

import torch
from torch import Tensor

from birdnet_cli.core.backbones import Backbone, autocast_for, resolve_precision
from birdnet_cli.core.cache import FittedTensors
from birdnet_cli.core.data import Batch
from birdnet_cli.core.errors import DataError
from birdnet_cli.core.poolings import PcaAccumulator, Pooling, create_pooling
from birdnet_cli.core.recipe import PoolingSettings

__all__ = ["FeatureExtractor"]


class FeatureExtractor:
    """A frozen backbone with its poolings on one device: what they compute, learn and keep.

    Args:
        backbone: images -> feature map [N, C, h, w].
        poolings: descriptor name -> feature map -> [N, D].
        device: device of the backbone and the poolings.
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

    @classmethod
    def create(
        cls,
        backbone: Backbone,
        settings: Mapping[str, PoolingSettings],
        *,
        device: torch.device,
        precision: str,
        flip: bool,
    ) -> Self:
        """Create the poolings of `settings` (descriptor name -> pooling) for the backbone's feature maps.

        A pooling that has to be fitted refuses to run until `fit` or `load_state`.

        Raises:
            UsageError: a pooling asks for more channels or components than there are.
        """
        poolings = {
            name: create_pooling(pooling, channels=backbone.channels, nonnegative=backbone.nonnegative)
            for name, pooling in settings.items()
        }
        return cls(backbone, poolings, device=device, precision=precision, flip=flip)

    def feature_map(self, images: Tensor) -> Tensor:
        """Return the feature map [N, C, h, w] of uint8 or float RGB images [N, 3, H, W] in 0..255."""
        images = images.to(self.device, non_blocking=True)
        with autocast_for(self.device, self.dtype):
            feature_map: Tensor = self.backbone(images)
        return feature_map

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Return descriptor name -> [N, D] float32, on the device, of RGB images [N, 3, H, W] in 0..255.

        Raises:
            UsageError: a pooling is not fitted.
        """
        descriptors = self._pool(images)
        if self.flip:
            for name, mirrored in self._pool(images.flip(-1)).items():
                descriptors[name] = (descriptors[name] + mirrored) / 2
        return descriptors

    def fit(self, batches: Iterable[Batch], *, on_images: Callable[[int], None] | None = None) -> None:
        """Fit the 1x1 PCA of every pooling that reduces channels on all positions of the images' feature maps.

        Args:
            batches: training images.
            on_images: called after each batch with its number of images, unreadable ones included.

        Raises:
            DataError: no image could be read.
            NumericsError: a feature map is not finite.
        """
        accumulator = PcaAccumulator(self.backbone.channels)
        with torch.inference_mode():
            for batch in batches:
                if batch.good:
                    accumulator.update(self.feature_map(batch.images))
                if on_images is not None:
                    on_images(len(batch.indices))
        if accumulator.count == 0:
            raise DataError("the 1x1 reduction is fitted on training images, and none could be read")
        for pooling in self.poolings.values():
            if pooling.reduction is not None:
                pooling.reduction.load(*accumulator.fit(len(pooling.reduction.bias)))

    def state(self) -> FittedTensors:
        """Return descriptor -> tensor name -> array of everything that the poolings were fitted to or drew."""
        return {
            name: {key: tensor.cpu().numpy() for key, tensor in pooling.state_dict().items()}
            for name, pooling in self.poolings.items()
            if pooling.state_dict()
        }

    def load_state(self, state: FittedTensors) -> None:
        """Give the poolings what `state` returned; descriptors that this extractor does not compute are ignored."""
        for name, tensors in state.items():
            if name in self.poolings:
                self.poolings[name].load_state_dict({key: torch.from_numpy(value) for key, value in tensors.items()})

    def _pool(self, images: Tensor) -> dict[str, Tensor]:
        feature_map = self.feature_map(images)
        return {name: pooling(feature_map) for name, pooling in self.poolings.items()}
