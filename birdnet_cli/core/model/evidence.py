"""Divide a logit among the positions [h, w] of the feature map: these contributions and the bias sum to the logit.

A linear head's descriptor is a scaled sum over positions, and a head on feature maps averages over positions, so a
logit is a sum over positions plus the class's bias. So is the difference of two logits: the evidence for a class and
against another class.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from birdnet_cli.core.heads import LinearHead
from birdnet_cli.core.model.model import Model
from birdnet_cli.core.poolings import divide_evidence

__all__ = ["Evidence", "explain_logits", "logit_biases"]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """The evidence map of an image.

    Attributes:
        path: path of the image.
        label: name of the class that the evidence is for.
        versus: name of the class that the evidence is against, or None.
        logit: logit of `label`, minus the logit of `versus` if there is one.
        bias: part of `logit` that does not depend on the image.
        map: float32 Tensor[h, w], contributions of the positions; `map.sum() + bias == logit` up to rounding.
    """

    path: str
    label: str
    versus: str | None
    logit: float
    bias: float
    map: Tensor

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as a JSON object; the map is a list of rows from top to bottom."""
        return asdict(self) | {"map": self.map.tolist()}


@torch.inference_mode()
def explain_logits(model: Model, images: Tensor, *, labels: Sequence[int], versus: int | None = None) -> Tensor:
    """Divide a logit of each image among the positions of the feature map.

    Args:
        model: a model of `load_model`.
        images: uint8 Tensor[N, 3, S, S], transformed images.
        labels: N class indices, 0..K-1, one per image.
        versus: index of a class whose logit is subtracted, 0..K-1; None subtracts nothing.

    Returns:
        float32 Tensor[N, h, w] on the model's device; the sum of a map and the bias of `logit_biases` is the logit.
    """
    feature_map = model.extractor.feature_map(images)
    if not isinstance(model.head, LinearHead):
        return _explain_average(model, feature_map, labels, versus)
    (pooling,) = model.extractor.poolings.values()
    weight = model.head.weight[list(labels)]  # [N, D]
    if versus is not None:
        weight = weight - model.head.weight[versus]
    evidence = divide_evidence(pooling, feature_map, weight)
    if model.extractor.flip:
        mirrored = divide_evidence(pooling, model.extractor.feature_map(images.flip(-1)), weight)
        evidence = (evidence + mirrored.flip(-1)) / 2
    return evidence


@torch.inference_mode()
def logit_biases(model: Model) -> Tensor:
    """Return the part of each class's logit that does not depend on the image: float32 Tensor[K], on the CPU.

    It is b of a linear head, and the logits of a feature map of zeros for a head on feature maps.
    """
    if isinstance(model.head, LinearHead):
        return model.head.bias.cpu()
    zeros = torch.zeros(1, model.extractor.backbone.channels, 1, 1, device=model.extractor.device)
    biases: Tensor = model.head(zeros)[0]
    return biases.float().cpu()


def _explain_average(model: Model, x: Tensor, labels: Sequence[int], versus: int | None) -> Tensor:
    """Return the maps [N, h, w] of a head whose logits are the mean over positions of a function of each position."""
    N, C, h, w = x.shape
    each = model.head(x.permute(0, 2, 3, 1).reshape(-1, C, 1, 1)).float().view(N, h, w, -1)
    each = (each - logit_biases(model).to(each.device)) / (h * w)
    evidence = torch.stack([logits[..., label] for logits, label in zip(each, labels, strict=True)])
    return evidence if versus is None else evidence - each[..., versus]
