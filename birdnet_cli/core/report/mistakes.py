"""An evaluation -> the mistakes that its page shows: the most confused pairs and the surest wrong predictions."""

from dataclasses import dataclass

import numpy as np

from birdnet_cli.core.evaluation import Evaluation
from birdnet_cli.core.report.thumbnails import Thumbnails

__all__ = ["Mistake", "Pair", "confused_pairs", "surest_mistakes"]

PAIRS = 12  # confused pairs
PER_SIDE = 3  # images of each class of a pair
SUREST = 24  # wrong predictions


@dataclass(frozen=True, slots=True)
class Mistake:
    """An image of the page.

    Attributes:
        name: path relative to the data set's root.
        true: index of the true class.
        predicted: index of the predicted class.
        probability: probability of the predicted class, 0..1.
        thumbnail: a data URI, or None.
    """

    name: str
    true: int
    predicted: int
    probability: float
    thumbnail: str | None


@dataclass(frozen=True, slots=True)
class Pair:
    """A class and another class that its images were predicted as.

    Attributes:
        true: index of the true class.
        predicted: index of the predicted class.
        count: number of images of `true` predicted as `predicted`.
        of: number of images of `true`.
        reverse: number of images of `predicted` predicted as `true`.
        confused: the most probable of the `count` wrong predictions.
        reference: the most probable correct predictions of `predicted`, for comparison.
    """

    true: int
    predicted: int
    count: int
    of: int
    reverse: int
    confused: tuple[Mistake, ...]
    reference: tuple[Mistake, ...]


def confused_pairs(evaluation: Evaluation, thumbnails: Thumbnails) -> tuple[Pair, ...]:
    """Return the 12 most frequent confusions, with thumbnails of both sides."""
    index = {name: label for label, name in enumerate(evaluation.classes)}
    counts = {(index[pair.true], index[pair.predicted]): pair.count for pair in evaluation.confusions}
    return tuple(
        Pair(
            true,
            predicted,
            count,
            evaluation.per_class[true].n,
            counts.get((predicted, true), 0),
            _surest(evaluation, thumbnails, true, predicted),
            _surest(evaluation, thumbnails, predicted, predicted),
        )
        for (true, predicted), count in list(counts.items())[:PAIRS]
    )


def surest_mistakes(evaluation: Evaluation, thumbnails: Thumbnails) -> tuple[Mistake, ...]:
    """Return the 24 wrong predictions of the highest probability, by falling probability."""
    outcomes = evaluation.outcomes
    (wrong,) = np.nonzero(~outcomes.correct)
    order = wrong[np.argsort(-outcomes.confidence[wrong], kind="stable")][:SUREST]
    return tuple(_mistake(evaluation, thumbnails, row) for row in order.tolist())


def _surest(evaluation: Evaluation, thumbnails: Thumbnails, true: int, predicted: int) -> tuple[Mistake, ...]:
    outcomes = evaluation.outcomes
    (rows,) = np.nonzero((outcomes.labels == true) & (outcomes.top[:, 0] == predicted))
    order = rows[np.argsort(-outcomes.confidence[rows], kind="stable")][:PER_SIDE]
    return tuple(_mistake(evaluation, thumbnails, row) for row in order.tolist())


def _mistake(evaluation: Evaluation, thumbnails: Thumbnails, row: int) -> Mistake:
    outcomes = evaluation.outcomes
    return Mistake(
        outcomes.names[row],
        int(outcomes.labels[row]),
        int(outcomes.top[row, 0]),
        float(outcomes.confidence[row]),
        thumbnails.uri(row),
    )
