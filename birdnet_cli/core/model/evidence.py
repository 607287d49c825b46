"""A logit -> the share of each position of the feature map [h, w]; the shares and the class's bias sum to the logit.

A linear head's descriptor is a scaled sum over positions, and a head on feature maps averages over them, so a logit is
a sum over positions plus the class's bias. The difference of two logits is such a sum as well: the evidence for a class
and against its look-alike.
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
    """One image's map.

    Attributes:
        path: the image.
        label: the class that the map speaks for.
        versus: the class that it speaks against, or None.
        logit: of `label`, less that of `versus`.
        bias: the part of `logit` that no position contributes to.
        map: float32 [h, w]; `map.sum() + bias == logit` up to rounding.
    """

    path: str
    label: str
    versus: str | None
    logit: float
    bias: float
    map: Tensor

    def to_json(self) -> dict[str, Any]:
        """Return the map as a JSON object, rows from the top."""
        return asdict(self) | {"map": self.map.tolist()}


@torch.inference_mode()
def explain_logits(model: Model, images: Tensor, *, labels: Sequence[int], versus: int | None = None) -> Tensor:
    """Divide one logit of each image among the positions of the feature map.

    Args:
        model: from `load_model`.
        images: uint8 Tensor[N, 3, S, S], transformed.
        labels: N class indices.
        versus: a class whose logit is subtracted.

    Returns:
        Tensor[N, h, w], float32, on the model's device; with the bias of `logit_biases` its sum is the logit.
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
    """Return the part of each class's logit that no position contributes to: float32 Tensor[K], on the CPU.

    It is b of a linear head, and what a head on feature maps answers to a map of zeros.
    """
    if isinstance(model.head, LinearHead):
        return model.head.bias.cpu()
    nothing = torch.zeros(1, model.extractor.backbone.channels, 1, 1, device=model.extractor.device)
    biases: Tensor = model.head(nothing)[0]
    return biases.float().cpu()


def _explain_average(model: Model, x: Tensor, labels: Sequence[int], versus: int | None) -> Tensor:
    """Return [N, h, w] of a head that is the mean over positions of a function of each."""
    N, C, h, w = x.shape
    each = model.head(x.permute(0, 2, 3, 1).reshape(-1, C, 1, 1)).float().view(N, h, w, -1)
    each = (each - logit_biases(model).to(each.device)) / (h * w)
    evidence = torch.stack([one[..., label] for one, label in zip(each, labels, strict=True)])
    return evidence if versus is None else evidence - each[..., versus]
