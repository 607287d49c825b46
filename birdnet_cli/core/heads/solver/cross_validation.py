"""Cross-validation over C: rows [N, r] and labels [N] -> accuracy of every C, logits of rows left out of training.

All folds share the same basis: its rows of a fold are an isometric image of the fold's descriptors, so that training on
them equals training on those descriptors. The basis is centred by the mean of all rows, which with a free bias changes
no prediction; standardized features are scaled by the standard deviation over all rows, so that training without a
fold uses the spread (and no label) of the rows of that fold.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from birdnet_cli.core.heads.solver.losses import create_loss, sample_weights
from birdnet_cli.core.heads.solver.newton import Solution, minimize

__all__ = ["Candidate", "CrossValidation", "assess", "cross_validate"]

# Relative error of the weights: far less than their differences between folds.
TOLERANCE = 1e-2


@dataclass(frozen=True)
class Candidate:
    """The result of one C on the held-out rows of all folds.

    Attributes:
        C: weight of the loss.
        accuracy: fraction of held-out rows classified correctly (with balanced classes: mean of the classes' recalls).
        std: standard deviation of the accuracy over the folds.
        loss: mean of the head's own loss over held-out rows.
    """

    C: float
    accuracy: float
    std: float
    loss: float


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """The results of cross-validation over C.

    Attributes:
        candidates: a candidate for each C, in the order given.
        best: the candidate of highest accuracy; among equals, of lowest loss.
        logits: logits of every row at the best C, from the head solved without the row's fold, float32 [N, K].
        judged: True for rows whose class occurs in the other folds, bool [N]; other rows have no meaningful loss.
    """

    candidates: tuple[Candidate, ...]
    best: Candidate
    logits: Tensor
    judged: Tensor


def cross_validate(
    rows: Tensor,
    labels: Tensor,
    *,
    head: str,
    num_classes: int,
    balanced: bool,
    Cs: Sequence[float],
    folds: npt.NDArray[np.int64],
    progress: Callable[[float], None] = lambda _fraction: None,
) -> CrossValidation:
    """Train without each fold in turn, at every C, and assess the held-out rows.

    Args:
        rows: rows of the basis, float32 [N, r].
        labels: int64 [N].
        head: one of `list_heads`.
        num_classes: K.
        balanced: weigh every class equally, in training and in the accuracy.
        Cs: values of C, rising; each solution is the start of the next.
        folds: each row's fold, [N].
        progress: called with the finished fraction of the solutions.
    """
    N, F = len(rows), int(folds.max()) + 1
    logits = torch.empty(len(Cs), N, num_classes)
    judged = torch.empty(N, dtype=torch.bool)
    for fold in range(F):
        left = torch.from_numpy(folds == fold)
        out = left.to(rows.device)
        kept, kept_labels = rows[~out], labels[~out]
        loss = create_loss(
            head, kept_labels, num_classes=num_classes, weights=sample_weights(kept_labels, balanced=balanced)
        )
        solution: Solution | None = None
        for index, C in enumerate(Cs):
            solution = minimize(kept, loss, C=C, tolerance=TOLERANCE, start=solution)
            logits[index, left] = torch.addmm(solution.bias.float(), rows[out], solution.weight.float()).cpu()
            progress((fold + (index + 1) / len(Cs)) / F)
        judged[left] = torch.isin(labels[out], kept_labels).cpu()
    labels, judged = labels.cpu(), judged.cpu()
    candidates = [
        assess(C, scores, labels, head=head, balanced=balanced, folds=folds, judged=judged)
        for C, scores in zip(Cs, logits, strict=True)
    ]
    index = max(range(len(Cs)), key=lambda i: (candidates[i].accuracy, -candidates[i].loss))
    return CrossValidation(tuple(candidates), candidates[index], logits[index].clone(), judged)


def assess(
    C: float,
    logits: Tensor,
    labels: Tensor,
    *,
    head: str,
    balanced: bool,
    folds: npt.NDArray[np.int64],
    judged: Tensor,
) -> Candidate:
    """Return the accuracy and the loss of one C.

    Args:
        C: weight of the loss.
        logits: logits of held-out rows, [n, K].
        labels: labels of these rows, int64 [n].
        head: one of `list_heads`.
        balanced: weigh every class equally.
        folds: each row's fold, int64 [n].
        judged: True for rows whose class was trained on, bool [n].
    """
    weights = sample_weights(labels, balanced=balanced)
    judge = create_loss(head, labels[judged], num_classes=logits.shape[1], weights=weights[judged])
    correct = (logits.argmax(dim=1) == labels).double().numpy()
    shares = weights.numpy()
    per_fold = [np.average(correct[folds == fold], weights=shares[folds == fold]) for fold in np.unique(folds)]
    loss_per_row = (judge.value(logits[judged]) / weights[judged].sum()).item()
    return Candidate(C, float(np.average(correct, weights=shares)), float(np.std(per_fold)), loss_per_row)
