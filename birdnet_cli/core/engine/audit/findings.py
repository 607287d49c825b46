"""What an audit finds in a data set, and the evidence of each kind -> findings, the clearest first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.engine.audit.likeness import Likeness
from birdnet_cli.core.heads import OutOfFold

__all__ = ["KINDS", "Finding", "find_duplicates", "find_label_errors", "find_near_duplicates", "find_outliers"]

KINDS = ("label", "duplicate", "near-duplicate", "outlier")
# Iglewicz and Hoaglin's limit of the modified z-score, and what makes a median absolute deviation a deviation.
OUTLYING, NORMAL_MAD = 3.5, 1.4826


@dataclass(frozen=True, slots=True)
class Finding:
    """One image to look at.

    Attributes:
        kind: `label`: heads that have not seen the image are surer of another class than of other images of that class;
            `duplicate`: the same bytes as another image; `near-duplicate`: almost the same picture; `outlier`: far from
            all images of its class.
        score: of the kind: probability of the other class less that of its own; 1; the cosine; the modified z-score.
        row: of the cache.
        suggestion: label: the index of the other class; else None.
        other: duplicates: the row of the earlier image; else None.
    """

    kind: str
    score: float
    row: int
    suggestion: int | None = None
    other: int | None = None


def find_label_errors(found: OutOfFold, labels: NDArray[np.int64]) -> list[Finding]:
    """Return rows that heads which were solved without them call another class, and are as sure of it as of its own.

    As sure: at least the mean probability that images of the other class have of it. The rows are those of `found`.

    Source: Northcutt, Jiang, Chuang, "Confident Learning", JAIR 2021.
    """
    probabilities = found.probabilities.double().numpy()
    judged = found.judged.numpy()
    K = probabilities.shape[1]
    sure = np.array([_mean(probabilities[judged & (labels == label), label]) for label in range(K)])
    predicted = np.where(probabilities >= sure, probabilities, -1).argmax(axis=1)
    rows = np.arange(len(labels))
    margin = probabilities[rows, predicted] - probabilities[rows, labels]
    suspect = judged & (predicted != labels) & (probabilities[rows, predicted] >= sure[predicted]) & (margin > 0)
    return _sorted(
        Finding("label", float(margin[row]), row, suggestion=int(predicted[row]))
        for row in np.flatnonzero(suspect).tolist()
    )


def find_duplicates(digests: NDArray[np.uint8]) -> list[Finding]:
    """Return every file whose bytes an earlier one has. [N, 32] -> findings in order."""
    first: dict[bytes, int] = {}
    seen = (first.setdefault(digest.tobytes(), row) for row, digest in enumerate(digests))
    return [Finding("duplicate", 1.0, row, other=other) for row, other in enumerate(seen) if other != row]


def find_near_duplicates(likeness: Likeness, *, least: float, but: Sequence[int]) -> list[Finding]:
    """Return images whose cosine with an earlier one is `least` or more, without the rows `but`.

    Of several earlier ones, one of another split is named: there a model is judged on what it knows.
    """
    crosses = likeness.across_similarity >= least
    score = np.where(crosses, likeness.across_similarity, likeness.similarity)
    other = np.where(crosses, likeness.across, likeness.earlier)
    known = set(but)
    return _sorted(
        Finding("near-duplicate", float(score[row]), row, other=int(other[row]))
        for row in np.flatnonzero(score >= least).tolist()
        if row not in known
    )


def find_outliers(likeness: Likeness, labels: NDArray[np.int64]) -> list[Finding]:
    """Return images much less close to their class than is usual in it.

    The modified z-score is the distance below the class's median closeness in robust deviations, which all classes
    share: a class of thirty images has too few for one of its own.
    """
    closeness = likeness.closeness.astype(np.float64)
    below = np.full(len(labels), np.nan)
    for label in np.unique(labels[~np.isnan(closeness)]):
        members = (labels == label) & ~np.isnan(closeness)
        below[members] = np.median(closeness[members]) - closeness[members]
    deviation = NORMAL_MAD * float(np.nanmedian(np.abs(below))) if not np.isnan(below).all() else 0.0
    if deviation == 0:
        return []
    return _sorted(
        Finding("outlier", float(below[row] / deviation), row)
        for row in np.flatnonzero(below > OUTLYING * deviation).tolist()
    )


def _sorted(findings: Iterator[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: (-one.score, one.row))


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else 1.0
