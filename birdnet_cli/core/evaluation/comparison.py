"""Two evaluations of the same images -> a paired comparison: difference, test, changes by image and class."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
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

# Keys of the JSON document -> their names in files of fbn 0.1.0.
OLD_KEYS = {"correct_a": "right_a", "correct_b": "right_b", "predicted_a": "called_a", "predicted_b": "called_b"}


@dataclass(frozen=True, slots=True)
class Change:
    """An image that the models predict differently; `prob_a` and `prob_b` are the predictions' probabilities, 0..1."""

    name: str
    true: str
    predicted_a: str
    predicted_b: str
    prob_a: float
    prob_b: float


@dataclass(frozen=True, slots=True)
class ClassChange:
    """The changes from model A to model B within one class.

    Attributes:
        name: the class.
        n: number of images of the class, at least 1.
        correct_a: number of them that A predicts correctly.
        correct_b: number of them that B predicts correctly.
        fixed: number of images wrong in A and correct in B.
        broken: number of images correct in A and wrong in B.
        interval: Tango's 95% interval of recall(B) - recall(A).
    """

    name: str
    n: int
    correct_a: int
    correct_b: int
    fixed: int
    broken: int
    interval: Interval

    @property
    def difference(self) -> float:
        """recall(B) - recall(A)."""
        return (self.correct_b - self.correct_a) / self.n


@dataclass(frozen=True)
class Comparison:
    """A paired comparison of model A with model B.

    Attributes:
        n: number of images that both models were evaluated on.
        correct_a: number of them that A predicts correctly.
        correct_b: number of them that B predicts correctly.
        fixed: images wrong in A and correct in B, by falling confidence of B.
        broken: images correct in A and wrong in B, by falling confidence of B.
        otherwise_wrong: number of images wrong in both, with different predictions.
        p_value: two-sided p-value of McNemar's exact test, 0..1.
        interval: Tango's 95% interval of accuracy(B) - accuracy(A).
        per_class: the classes that have an image, by rising difference, then by name.
        only_in_a: names of A's images that B was not evaluated on.
        only_in_b: names of B's images that A was not evaluated on.
    """

    n: int
    correct_a: int
    correct_b: int
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
        return (self.correct_b - self.correct_a) / self.n

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as a JSON object.

        Counts and predictions also stand under the key names of fbn 0.1.0, so that programs which read those go on.
        """
        document = _add_old_keys(asdict(self)) | {
            "top1_a": self.correct_a / self.n,
            "top1_b": self.correct_b / self.n,
            "difference": self.difference,
            "methods": {
                "p_value": "McNemar's test, exact binomial, two-sided",
                "interval": "Tango's score interval of a paired difference, 95%",
            },
        }
        for changes in ("fixed", "broken"):
            document[changes] = [_add_old_keys(change) for change in document[changes]]
        document["per_class"] = {
            row.name: {key: value for key, value in _add_old_keys(asdict(row)).items() if key != "name"}
            | {"difference": row.difference}
            for row in self.per_class
        }
        return document


def compare_evaluations(a: Evaluation, b: Evaluation) -> Comparison:
    """Pair the images of two evaluations and compare the models on the pairs.

    Two images are the same if their files have the same SHA-256 and their true class has the same name; paths do not
    matter. Copies of a file within an evaluation are paired in their order.

    Raises:
        DataError: the evaluations share no image.
    """
    rows_a, rows_b = _pair(a, b)
    if not len(rows_a):
        raise DataError(
            f"the two evaluations share no image (same file, same class): {a.n} of {a.data} against {b.n} of {b.data}"
        )
    first, second = a.outcomes.select(rows_a), b.outcomes.select(rows_b)
    fixed, broken = ~first.correct & second.correct, first.correct & ~second.correct
    predicted_a, predicted_b = _predicted(a, first), _predicted(b, second)
    return Comparison(
        n=len(first),
        correct_a=int(first.correct.sum()),
        correct_b=int(second.correct.sum()),
        fixed=_changes(a, first, second, predicted_a, predicted_b, fixed),
        broken=_changes(a, first, second, predicted_a, predicted_b, broken),
        otherwise_wrong=int((~first.correct & ~second.correct & (predicted_a != predicted_b)).sum()),
        p_value=mcnemar_p_value(int(broken.sum()), int(fixed.sum())),
        interval=paired_difference_interval(int(broken.sum()), int(fixed.sum()), len(first)),
        per_class=_class_changes(a.classes, first, fixed, broken),
        only_in_a=_unpaired(a.outcomes, rows_a),
        only_in_b=_unpaired(b.outcomes, rows_b),
    )


def _add_old_keys(row: Mapping[str, Any]) -> dict[str, Any]:
    return dict(row) | {old: row[new] for new, old in OLD_KEYS.items() if new in row}


def _pair(a: Evaluation, b: Evaluation) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of A and of B that hold the same images. int64 [n], [n]."""
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


def _predicted(evaluation: Evaluation, outcomes: Outcomes) -> NDArray[np.object_]:
    """Return the predicted class names [n]: the two models may order their classes differently."""
    return np.array(evaluation.classes, object)[outcomes.top[:, 0]]


def _changes(
    a: Evaluation,
    first: Outcomes,
    second: Outcomes,
    predicted_a: NDArray[np.object_],
    predicted_b: NDArray[np.object_],
    mask: NDArray[np.bool_],
) -> tuple[Change, ...]:
    (rows,) = np.nonzero(mask)
    order = rows[np.argsort(-second.confidence[rows], kind="stable")]
    return tuple(
        Change(
            first.names[row], a.classes[first.labels[row]], predicted_a[row], predicted_b[row],
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
        np.bincount(first.labels[first.correct], minlength=K),
        np.bincount(first.labels[fixed], minlength=K),
        np.bincount(first.labels[broken], minlength=K),
    )
    rows = [
        ClassChange(
            name, n, correct, correct + gained - lost, gained, lost, paired_difference_interval(lost, gained, n)
        )
        for name, n, correct, gained, lost in zip(classes, *(column.tolist() for column in counts), strict=True)
        if n
    ]
    return tuple(sorted(rows, key=lambda row: (row.difference, row.name)))


def _unpaired(outcomes: Outcomes, paired: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(outcomes.names[row] for row in np.setdiff1d(np.arange(len(outcomes)), paired).tolist())
