"""The classifier that is trained: images [N, 3, S, S] -> scores [N, K], whose softmax are the probabilities."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from birdnet_cli.core.backbones import Backbone
from birdnet_cli.core.heads import CalibratedMapHead, TrainableHead
from birdnet_cli.core.poolings import Pooling
from birdnet_cli.core.training.precision import autocast_to

__all__ = ["Classifier", "NormStatistics"]


class Classifier(nn.Module):
    """Backbone, pooling and head in one module, whose parameters have the names of those in a model file.

    Args:
        backbone: RGB images in 0..255 -> feature map [N, C, h, w].
        pooling: feature map -> descriptor [N, D]; if it has a 1x1 reduction, that learns at the backbone's rate. None
            if the head takes the feature map.
        head: descriptor or feature map -> scores.
        dtype: dtype that the backbone, and a head on the feature map, compute in; descriptors are float32.
    """

    def __init__(
        self,
        backbone: Backbone,
        pooling: Pooling | None,
        head: TrainableHead | CalibratedMapHead,
        *,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.pooling = pooling
        self.head = head
        self.dtype = dtype
        # How the backbone runs in training. Not a submodule: its parameters would be listed twice.
        self.run_backbone: Callable[[Tensor], Tensor] = backbone.forward

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores, float32 [N, K], of images [N, 3, S, S], uint8 or float in 0..255."""
        with autocast_to(self.dtype, images.device):
            feature_map = self.run_backbone(images) if self.backbone.training else self.backbone(images)
            if self.pooling is None:
                return self.head.scores(feature_map)
        return self.head.scores(self.pooling(feature_map))

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Return every parameter before the head."""
        return [*self.backbone.parameters(), *(self.pooling.parameters() if self.pooling is not None else ())]

    def prepare(self, *, frozen: bool, freeze_norm: bool) -> None:
        """Switch to training mode.

        Args:
            frozen: whether only the head learns; the backbone then computes as in evaluation.
            freeze_norm: whether BatchNorm computes as in evaluation, though its scale and shift learn.
        """
        self.train()
        for parameter in self.backbone_parameters():
            parameter.requires_grad_(not frozen)
        if frozen:
            self.backbone.eval()
        elif freeze_norm:
            for module in self.backbone.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()


class NormStatistics:
    """A copy of BatchNorm's running statistics, to undo the changes that a forward pass makes to them.

    Args:
        module: module with any number of BatchNorm layers, or none; its statistics are copied.
    """

    def __init__(self, module: nn.Module) -> None:
        self.buffers = [
            buffer
            for layer in module.modules()
            if isinstance(layer, nn.modules.batchnorm._NormBase)
            for buffer in layer.buffers(recurse=False)
        ]
        self._copies: list[Tensor] = [buffer.clone() for buffer in self.buffers]

    @torch.no_grad()
    def keep(self) -> None:
        """Copy the statistics."""
        for copy, buffer in zip(self._copies, self.buffers, strict=True):
            copy.copy_(buffer)

    @torch.no_grad()
    def restore(self) -> None:
        """Set the statistics to the last copy."""
        for copy, buffer in zip(self._copies, self.buffers, strict=True):
            buffer.copy_(copy)
