"""Out-of-fold probabilities, digests and similarities -> the findings of an audit, by falling score."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.engine.audit.likeness import Likeness
from birdnet_cli.core.heads import OutOfFold

__all__ = ["KINDS", "Finding", "find_duplicates", "find_label_errors", "find_near_duplicates", "find_outliers"]

KINDS = ("label", "duplicate", "near-duplicate", "outlier")
# Limit of the modified z-score (Iglewicz and Hoaglin, 1993).
OUTLYING = 3.5
# Standard deviation / median absolute deviation of a normal distribution.
NORMAL_MAD = 1.4826


@dataclass(frozen=True, slots=True)
class Finding:
    """An image to look at.

    Attributes:
        kind: `label`: heads solved without the image give another class more probability than its label, and at least
            as much as images of that class get on average; `duplicate`: the same bytes as an earlier image;
            `near-duplicate`: almost the same picture as an earlier image; `outlier`: far from all images of its class.
        score: `label`: probability of the other class less that of the label, 0..1; `duplicate`: 1;
            `near-duplicate`: the cosine, up to 1; `outlier`: the modified z-score.
        row: row of the image in the cache.
        suggestion: `label`: index of the other class; else None.
        other: `duplicate` and `near-duplicate`: row of the earlier image; else None.
    """

    kind: str
    score: float
    row: int
    suggestion: int | None = None
    other: int | None = None


def find_label_errors(found: OutOfFold, labels: NDArray[np.int64]) -> list[Finding]:
    """Return rows whose label is less probable than another class, by heads that were solved without the rows.

    The other class must also reach its threshold: the mean probability of the class over the judged images labelled so.

    Args:
        found: out-of-fold probabilities [N, K]; its rows are the findings' rows.
        labels: int64 [N], class indices 0..K-1.

    Source: Northcutt, Jiang, Chuang, "Confident Learning", JAIR 2021.
    """
    probabilities = found.probabilities.double().numpy()
    judged = found.judged.numpy()
    K = probabilities.shape[1]
    threshold = np.array([_mean(probabilities[judged & (labels == label), label]) for label in range(K)])
    predicted = np.where(probabilities >= threshold, probabilities, -1).argmax(axis=1)
    rows = np.arange(len(labels))
    margin = probabilities[rows, predicted] - probabilities[rows, labels]
    suspect = judged & (predicted != labels) & (probabilities[rows, predicted] >= threshold[predicted]) & (margin > 0)
    return _sorted(
        Finding("label", float(margin[row]), row, suggestion=int(predicted[row]))
        for row in np.flatnonzero(suspect).tolist()
    )


def find_duplicates(digests: NDArray[np.uint8]) -> list[Finding]:
    """Return every image whose file has the same bytes as an earlier image's file, in order.

    Args:
        digests: uint8 [N, 32], SHA-256 of the files.
    """
    first: dict[bytes, int] = {}
    seen = (first.setdefault(digest.tobytes(), row) for row, digest in enumerate(digests))
    return [Finding("duplicate", 1.0, row, other=other) for row, other in enumerate(seen) if other != row]


def find_near_duplicates(likeness: Likeness, *, least: float, excluded: Sequence[int]) -> list[Finding]:
    """Return images whose cosine with an earlier image is `least` or more.

    If an earlier image of another split reaches `least`, it is named rather than a closer image of the same split: a
    near-duplicate across splits makes the measured accuracy too high.

    Args:
        likeness: similarities of N images.
        least: lowest cosine of near-duplicates.
        excluded: rows that are no findings, such as exact duplicates.
    """
    crosses = likeness.across_similarity >= least
    score = np.where(crosses, likeness.across_similarity, likeness.similarity)
    other = np.where(crosses, likeness.across, likeness.earlier)
    known = set(excluded)
    return _sorted(
        Finding("near-duplicate", float(score[row]), row, other=int(other[row]))
        for row in np.flatnonzero(score >= least).tolist()
        if row not in known
    )


def find_outliers(likeness: Likeness, labels: NDArray[np.int64]) -> list[Finding]:
    """Return images much less close to their class than is usual in it: of a modified z-score above 3.5.

    The modified z-score is the distance below the class's median closeness, in robust standard deviations. The
    deviation is estimated over all classes, because a class may have too few images.

    Args:
        likeness: similarities of N images.
        labels: int64 [N], class indices.

    Source: Iglewicz, Hoaglin, "How to Detect and Handle Outliers", 1993.
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
    return sorted(findings, key=lambda finding: (-finding.score, finding.row))


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else 1.0
