"""Images + a model -> where in each image the evidence for a class lies, exactly: the map sums to the logit.

A linear head's descriptor is a scaled sum over positions, and a head on feature maps averages over them, so a logit is
a sum over positions plus the class's bias. The difference of two logits is such a sum as well: what speaks for one
look-alike and against the other.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from birdnet_cli.core.data import Batch
from birdnet_cli.core.engine.evidence_figure import draw_evidence
from birdnet_cli.core.engine.predict import Model, Prediction
from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.heads import LinearHead
from birdnet_cli.core.poolings import divide_evidence

__all__ = ["Evidence", "EvidenceWriter", "explain_logits", "logit_biases"]

LIST_NAME = "evidence.jsonl"


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
    feature_map = model.describer.feature_map(images)
    if not isinstance(model.head, LinearHead):
        return _explain_average(model, feature_map, labels, versus)
    (pooling,) = model.describer.poolings.values()
    weight = model.head.weight[list(labels)]  # [N, D]
    if versus is not None:
        weight = weight - model.head.weight[versus]
    evidence = divide_evidence(pooling, feature_map, weight)
    if model.describer.flip:
        mirrored = divide_evidence(pooling, model.describer.feature_map(images.flip(-1)), weight)
        evidence = (evidence + mirrored.flip(-1)) / 2
    return evidence


@torch.inference_mode()
def logit_biases(model: Model) -> Tensor:
    """Return the part of each class's logit that no position contributes to: float32 Tensor[K], on the CPU.

    It is b of a linear head, and what a head on feature maps answers to a map of zeros.
    """
    if isinstance(model.head, LinearHead):
        return model.head.bias.cpu()
    nothing = torch.zeros(1, model.describer.backbone.channels, 1, 1, device=model.describer.device)
    biases: Tensor = model.head(nothing)[0]
    return biases.float().cpu()


def _explain_average(model: Model, x: Tensor, labels: Sequence[int], versus: int | None) -> Tensor:
    """Return [N, h, w] of a head that is the mean over positions of a function of each."""
    N, C, h, w = x.shape
    each = model.head(x.permute(0, 2, 3, 1).reshape(-1, C, 1, 1)).float().view(N, h, w, -1)
    each = (each - logit_biases(model).to(each.device)) / (h * w)
    evidence = torch.stack([one[..., label] for one, label in zip(each, labels, strict=True)])
    return evidence if versus is None else evidence - each[..., versus]


class EvidenceWriter:
    """Writes a figure for each image of `predict`, and the maps themselves into one list.

    Args:
        model: from `load_model`.
        folder: created if absent; must not hold an evidence list yet.
        versus: paint what speaks for each image's first class against this one; None paints the first class alone.

    Raises:
        UnknownNameError: `versus` is no class of the model.
        UsageError: the folder holds an evidence list already.
    """

    def __init__(self, model: Model, folder: Path, *, versus: str | None = None) -> None:
        if versus is not None and versus not in model.classes:
            raise UnknownNameError("class", versus, model.classes)
        self.model = model
        self.folder = folder
        self.versus = versus
        self.count = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._list = folder / LIST_NAME
        if self._list.exists():
            raise UsageError(f"{self._list}: exists already; choose another folder for --explain")

    def __call__(self, batch: Batch, rows: Sequence[Prediction]) -> None:
        """Write the figures of a batch and its rows, in order; rows without a prediction have none."""
        good = [rows[position] for position in batch.good]
        if not good:
            return
        for row, image, evidence in zip(good, batch.images, self._explain(batch.images, good), strict=True):
            self.count += 1
            figure = draw_evidence(image, evidence.map, row, title=_title(evidence))
            figure.save(self.folder / f"{self.count:05d}-{Path(row.path).stem}.png")
            with self._list.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(evidence.to_json()) + "\n")

    def _explain(self, images: Tensor, rows: Sequence[Prediction]) -> list[Evidence]:
        classes, bias_of = self.model.classes, logit_biases(self.model)
        versus = None if self.versus is None else classes.index(self.versus)
        labels = [self._label(row) for row in rows]
        maps = explain_logits(self.model, images, labels=labels, versus=versus).cpu()
        biases = bias_of[labels] - (0 if versus is None else bias_of[versus])
        return [
            Evidence(row.path, classes[label], self.versus, float(one.sum() + bias), float(bias), one)
            for row, label, bias, one in zip(rows, labels, biases.tolist(), maps, strict=True)
        ]

    def _label(self, row: Prediction) -> int:
        # An image that is called the rival itself is explained by the next best class: a class has nothing to say
        # against itself.
        names = [guess for guess in row.top if guess.label != self.versus]
        if not names:
            raise UsageError("--versus needs a second class to compare with: give -k 2 or more")
        return names[0].index


def _title(evidence: Evidence) -> str:
    subject = evidence.label if evidence.versus is None else f"{evidence.label} against {evidence.versus}"
    return f"{subject}: {evidence.logit - evidence.bias:+.2f} from the image, {evidence.bias:+.2f} bias"
