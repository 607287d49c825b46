"""Logits [N, K] and labels [N] -> top-1, top-5, per-class figures and confusion pairs."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["ClassFigures", "Confusion", "Evaluation", "Tally"]


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class: images of it, share of them found (recall), share of its predictions that are right (precision).

    A share over zero images is None: it is not a number, and 0 would be a claim.
    """

    name: str
    n: int
    recall: float | None
    precision: float | None


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often images of `true` were called `predicted`."""

    true: str
    predicted: str
    count: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of one evaluation; `top1` and `top5` are fractions of `n`.

    `failed` names the images that could not be read; they are not part of `n`.
    """

    n: int
    top1: float
    top5: float
    per_class: tuple[ClassFigures, ...]
    confusions: tuple[Confusion, ...]
    failed: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the figures as a JSON object, `per_class` keyed by class name."""
        document = asdict(self)
        document["per_class"] = {row.pop("name"): row for row in document["per_class"]}
        return document


class Tally:
    """Counts predictions batch by batch, so that no evaluation holds all logits.

    Args:
        classes: the K class names in the order of the logits.
    """

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes
        self.matrix = torch.zeros(len(classes), len(classes), dtype=torch.int64)  # [K true, K predicted]
        self.in_top5 = 0
        self.failed: list[str] = []

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Count a batch.

        Args:
            logits: [N, K].
            labels: [N] int64, indices into `classes`.
        """
        K = len(self.classes)
        top = logits.topk(min(5, K), dim=1).indices.cpu()  # [N, <=5]
        labels = labels.cpu()
        self.in_top5 += int((top == labels[:, None]).any(dim=1).sum())
        self.matrix += torch.bincount(labels * K + top[:, 0], minlength=K * K).view(K, K)

    def evaluation(self) -> Evaluation:
        """Return the figures of everything counted so far."""
        n = int(self.matrix.sum())
        right = self.matrix.diagonal()
        return Evaluation(
            n=n,
            top1=int(right.sum()) / n if n else 0.0,
            top5=self.in_top5 / n if n else 0.0,
            per_class=tuple(
                ClassFigures(name, int(actual), _share(int(hit), int(actual)), _share(int(hit), int(called)))
                for name, hit, actual, called in zip(
                    self.classes, right, self.matrix.sum(dim=1), self.matrix.sum(dim=0), strict=True
                )
            ),
            confusions=self._confusions(),
            failed=tuple(self.failed),
        )

    def _confusions(self) -> tuple[Confusion, ...]:
        pairs = self.matrix - torch.diag(self.matrix.diagonal())
        rows = [Confusion(self.classes[i], self.classes[j], int(pairs[i, j])) for i, j in pairs.nonzero().tolist()]
        return tuple(sorted(rows, key=lambda row: (-row.count, row.true, row.predicted)))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
