"""What is trained: images [N, 3, S, S] -> scores [N, K], whose softmax are the probabilities."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from birdnet_cli.core.backbones import Backbone
from birdnet_cli.core.heads import CalibratedMapHead, TrainableHead
from birdnet_cli.core.poolings import Pooling
from birdnet_cli.core.training.precision import autocast_to

__all__ = ["Classifier"]

NORMS = (nn.modules.batchnorm._BatchNorm,)


class Classifier(nn.Module):
    """Backbone, pooling and head in one module, whose names are those of a model file.

    Args:
        backbone: RGB images in 0..255 -> feature map [N, C, h, w].
        pooling: feature map -> descriptor [N, D]; its 1x1 reduction, where it has one, is trained like the backbone.
            None where the head takes the feature map.
        head: descriptor or feature map -> scores.
        dtype: what the backbone, and a head on the feature map, compute in; descriptors are float32.
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
        # How the backbone runs in training; not a submodule, whose parameters would be listed twice.
        self.run_backbone: Callable[[Tensor], Tensor] = backbone.forward

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores, float32, of images [N, 3, S, S], uint8 or float in 0..255."""
        with autocast_to(self.dtype, images.device):
            feature_map = self.run_backbone(images) if self.backbone.training else self.backbone(images)
            if self.pooling is None:
                return self.head.scores(feature_map)
        return self.head.scores(self.pooling(feature_map))

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Return every parameter before the head."""
        return [*self.backbone.parameters(), *(self.pooling.parameters() if self.pooling is not None else ())]

    def prepare(self, *, frozen: bool, freeze_norm: bool) -> None:
        """Go into training mode.

        Args:
            frozen: the head alone learns; the backbone computes as in evaluation.
            freeze_norm: BatchNorm computes as in evaluation, though its scale and shift may learn.
        """
        self.train()
        for parameter in self.backbone_parameters():
            parameter.requires_grad_(not frozen)
        if frozen:
            self.backbone.eval()
        elif freeze_norm:
            for module in self.backbone.modules():
                if isinstance(module, NORMS):
                    module.eval()
