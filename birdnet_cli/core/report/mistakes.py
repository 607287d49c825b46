"""Which mistakes the page shows: the pairs of classes confused most, and the wrong calls that were surest."""

from dataclasses import dataclass

import numpy as np

from birdnet_cli.core.evaluation import Evaluation
from birdnet_cli.core.report.thumbnails import Thumbnails

__all__ = ["Mistake", "Pair", "confused_pairs", "surest_mistakes"]

PAIRS = 12
PER_SIDE = 3
SUREST = 24


@dataclass(frozen=True, slots=True)
class Mistake:
    """One image as the page shows it: names are indices into the classes, `thumbnail` is a data URI or None."""

    name: str
    true: int
    predicted: int
    probability: float
    thumbnail: str | None


@dataclass(frozen=True, slots=True)
class Pair:
    """A class and what it is taken for.

    Attributes:
        true: index of the class.
        predicted: index of the other one.
        count: images of `true` predicted `predicted`.
        of: images of `true`.
        reverse: images of `predicted` predicted `true`.
        confused: the surest of the `count` images.
        reference: the surest images of `predicted` that were predicted so, to compare with.
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
    counts = {(index[one.true], index[one.predicted]): one.count for one in evaluation.confusions}
    figures = evaluation.per_class
    return tuple(
        Pair(
            true,
            predicted,
            count,
            figures[true].n,
            counts.get((predicted, true), 0),
            _surest(evaluation, thumbnails, true, predicted),
            _surest(evaluation, thumbnails, predicted, predicted),
        )
        for (true, predicted), count in list(counts.items())[:PAIRS]
    )


def surest_mistakes(evaluation: Evaluation, thumbnails: Thumbnails) -> tuple[Mistake, ...]:
    """Return the 24 wrong calls of the highest probability, the surest first."""
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
