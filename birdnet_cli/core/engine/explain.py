"""Images + a model -> where in each image the evidence for a class lies, exactly: the map sums to the logit.

The head is linear in the descriptor and the descriptor is a scaled sum over positions, so a logit is a sum over
positions plus the class's bias. The difference of two logits is such a sum as well: what speaks for one look-alike and
against the other.
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
from birdnet_cli.core.poolings import divide_evidence

__all__ = ["Evidence", "EvidenceWriter", "explain_logits"]

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
        Tensor[N, h, w], float32, on the model's device; with the class's bias its sum is the logit.
    """
    (pooling,) = model.describer.poolings.values()
    weight = model.head.weight[list(labels)]  # [N, D]
    if versus is not None:
        weight = weight - model.head.weight[versus]
    evidence = divide_evidence(pooling, model.describer.feature_map(images), weight)
    if model.describer.flip:
        mirrored = divide_evidence(pooling, model.describer.feature_map(images.flip(-1)), weight)
        evidence = (evidence + mirrored.flip(-1)) / 2
    return evidence


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
        head, classes = self.model.head, self.model.classes
        versus = None if self.versus is None else classes.index(self.versus)
        labels = [self._label(row) for row in rows]
        maps = explain_logits(self.model, images, labels=labels, versus=versus).cpu()
        biases = head.bias[labels] - (0 if versus is None else head.bias[versus])
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
