"""Predictions of a batch -> an evidence figure for each image, and the evidence maps in one JSON Lines file."""

import json
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from birdnet_cli.core.data import Batch
from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.model import Evidence, Model, Prediction, explain_logits, logit_biases
from birdnet_cli.core.report.pictures.evidence_figure import draw_evidence

__all__ = ["EvidenceWriter"]

LIST_NAME = "evidence.jsonl"


class EvidenceWriter:
    """Writes an evidence figure for each image of `predict`, and all maps into `evidence.jsonl`.

    Args:
        model: the model that predicts.
        folder: output folder; created if absent, must not hold an `evidence.jsonl` yet.
        versus: name of a class whose evidence is subtracted from that of each image's predicted class; None shows the
            evidence for the predicted class alone.

    Raises:
        UnknownNameError: the model has no class `versus`.
        UsageError: the folder already holds an `evidence.jsonl`.
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
        """Write the figures and maps of a batch's predictions, in order; images that could not be read are left out."""
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
            Evidence(row.path, classes[label], self.versus, float(evidence.sum() + bias), float(bias), evidence)
            for row, label, bias, evidence in zip(rows, labels, biases.tolist(), maps, strict=True)
        ]

    def _label(self, row: Prediction) -> int:
        # Evidence for the predicted class against itself is zero by definition; compare with the second class.
        others = [guess for guess in row.top if guess.label != self.versus]
        if not others:
            raise UsageError("--versus needs a second class to compare with: give -k 2 or more")
        return others[0].index


def _title(evidence: Evidence) -> str:
    subject = evidence.label if evidence.versus is None else f"{evidence.label} against {evidence.versus}"
    return f"{subject}: {evidence.logit - evidence.bias:+.2f} from the image, {evidence.bias:+.2f} bias"
