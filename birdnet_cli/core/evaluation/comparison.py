"""Two evaluations of the same images -> which model is better, by how much, and what changed."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.errors import DataError
from birdnet_cli.core.evaluation.evaluation import Evaluation
from birdnet_cli.core.evaluation.intervals import Interval
from birdnet_cli.core.evaluation.outcomes import Outcomes
from birdnet_cli.core.evaluation.paired_tests import mcnemar_p_value, paired_difference_interval

__all__ = ["Change", "ClassChange", "Comparison", "compare_evaluations"]


@dataclass(frozen=True, slots=True)
class Change:
    """An image that the two models call differently; `prob_a` and `prob_b` are of what each of them called it."""

    name: str
    true: str
    called_a: str
    called_b: str
    prob_a: float
    prob_b: float


@dataclass(frozen=True, slots=True)
class ClassChange:
    """One class: its images, those that either model gets right, and the changes from A to B.

    `interval` is Tango's 95% interval of recall(B) - recall(A).
    """

    name: str
    n: int
    right_a: int
    right_b: int
    fixed: int
    broken: int
    interval: Interval

    @property
    def difference(self) -> float:
        """recall(B) - recall(A)."""
        return (self.right_b - self.right_a) / self.n


@dataclass(frozen=True)
class Comparison:
    """A paired comparison of model A with model B.

    Attributes:
        n: images that both were measured on.
        right_a: those that A gets right.
        right_b: those that B gets right.
        fixed: wrong in A, right in B, by falling confidence of B.
        broken: right in A, wrong in B, by falling confidence of B.
        otherwise_wrong: images that both get wrong, in different ways.
        p_value: of McNemar's exact test.
        interval: Tango's 95% interval of accuracy(B) - accuracy(A).
        per_class: the classes that have an image, by rising difference, then by name.
        only_in_a: images that have no partner in B.
        only_in_b: images that have no partner in A.
    """

    n: int
    right_a: int
    right_b: int
    fixed: tuple[Change, ...]
    broken: tuple[Change, ...]
    otherwise_wrong: int
    p_value: float
    interval: Interval
    per_class: tuple[ClassChange, ...]
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]

    @property
    def difference(self) -> float:
        """accuracy(B) - accuracy(A)."""
        return (self.right_b - self.right_a) / self.n

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as a JSON object."""
        document = asdict(self) | {
            "top1_a": self.right_a / self.n,
            "top1_b": self.right_b / self.n,
            "difference": self.difference,
            "methods": {
                "p_value": "McNemar's test, exact binomial, two-sided",
                "interval": "Tango's score interval of a paired difference, 95%",
            },
        }
        document["per_class"] = {
            row.name: {key: value for key, value in asdict(row).items() if key != "name"}
            | {"difference": row.difference}
            for row in self.per_class
        }
        return document


def compare_evaluations(a: Evaluation, b: Evaluation) -> Comparison:
    """Pair the images of two evaluations and compare the models on the pairs.

    Two images are the same if their files have the same SHA-256 and their true class has the same name, wherever they
    lie; copies of one file within an evaluation are paired in their order.

    Raises:
        DataError: they share no image.
    """
    rows_a, rows_b = _pair(a, b)
    if not len(rows_a):
        raise DataError(
            f"the two evaluations share no image (same file, same class): {a.n} of {a.data} against {b.n} of {b.data}"
        )
    first, second = a.outcomes.select(rows_a), b.outcomes.select(rows_b)
    fixed, broken = ~first.right & second.right, first.right & ~second.right
    called_a, called_b = _called(a, first), _called(b, second)
    return Comparison(
        n=len(first),
        right_a=int(first.right.sum()),
        right_b=int(second.right.sum()),
        fixed=_changes(a, first, second, called_a, called_b, fixed),
        broken=_changes(a, first, second, called_a, called_b, broken),
        otherwise_wrong=int((~first.right & ~second.right & (called_a != called_b)).sum()),
        p_value=mcnemar_p_value(int(broken.sum()), int(fixed.sum())),
        interval=paired_difference_interval(int(broken.sum()), int(fixed.sum()), len(first)),
        per_class=_class_changes(a.classes, first, fixed, broken),
        only_in_a=_left_over(a.outcomes, rows_a),
        only_in_b=_left_over(b.outcomes, rows_b),
    )


def _pair(a: Evaluation, b: Evaluation) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    waiting: defaultdict[tuple[bytes, str], list[int]] = defaultdict(list)
    for row, key in enumerate(_identities(b)):
        waiting[key].append(row)
    for rows in waiting.values():
        rows.reverse()
    pairs = [(row, waiting[key].pop()) for row, key in enumerate(_identities(a)) if waiting.get(key)]
    columns = np.array(pairs, np.int64).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]


def _identities(evaluation: Evaluation) -> Iterable[tuple[bytes, str]]:
    outcomes = evaluation.outcomes
    for digest, label in zip(outcomes.digests, outcomes.labels.tolist(), strict=True):
        yield digest.tobytes(), evaluation.classes[label]


def _called(evaluation: Evaluation, outcomes: Outcomes) -> NDArray[np.object_]:
    """Return the names that images were called: the two models may order their classes differently. [n]."""
    return np.array(evaluation.classes, object)[outcomes.top[:, 0]]


def _changes(
    a: Evaluation,
    first: Outcomes,
    second: Outcomes,
    called_a: NDArray[np.object_],
    called_b: NDArray[np.object_],
    mask: NDArray[np.bool_],
) -> tuple[Change, ...]:
    (rows,) = np.nonzero(mask)
    order = rows[np.argsort(-second.confidence[rows], kind="stable")]
    return tuple(
        Change(
            first.names[row], a.classes[first.labels[row]], called_a[row], called_b[row],
            float(first.confidence[row]), float(second.confidence[row]),
        )
        for row in order.tolist()
    )  # fmt: skip


def _class_changes(
    classes: Sequence[str], first: Outcomes, fixed: NDArray[np.bool_], broken: NDArray[np.bool_]
) -> tuple[ClassChange, ...]:
    K = len(classes)
    counts = (
        np.bincount(first.labels, minlength=K),
        np.bincount(first.labels[first.right], minlength=K),
        np.bincount(first.labels[fixed], minlength=K),
        np.bincount(first.labels[broken], minlength=K),
    )
    rows = [
        ClassChange(name, n, right, right + won - lost, won, lost, paired_difference_interval(lost, won, n))
        for name, n, right, won, lost in zip(classes, *(column.tolist() for column in counts), strict=True)
        if n
    ]
    return tuple(sorted(rows, key=lambda row: (row.difference, row.name)))


def _left_over(outcomes: Outcomes, paired: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(outcomes.names[row] for row in np.setdiff1d(np.arange(len(outcomes)), paired).tolist())
