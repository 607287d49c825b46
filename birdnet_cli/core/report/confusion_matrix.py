"""Confusions -> where the squares and labels of a confusion matrix are drawn, in SVG units."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from birdnet_cli.core.evaluation import Evaluation

__all__ = ["Matrix", "MatrixCell", "draw_matrix"]

# Up to this many classes are drawn; of more, the ones that are confused most.
DRAWN = 100
DRAWN_OF_MORE = 40
SIDE = 780.0
SMALLEST, LARGEST = 11.0, 46.0
# From this width on a square has room for its count.
NUMBERED = 22.0
PER_CHARACTER = 0.56  # width of a letter, in font sizes
LONGEST = 30  # characters of a label


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """A square that is not empty: its place, count, strength (share of the row, rooted) and whether it is a hit."""

    x: float
    y: float
    true: int
    predicted: int
    count: int
    of: int
    strength: float
    correct: bool


@dataclass(frozen=True)
class Matrix:
    """A drawing of `classes` (indices, in their order) as rows and columns.

    Attributes:
        classes: what is drawn.
        all_classes: how many classes there are.
        outside: mistakes that touch a class that is not drawn.
        cells: the squares that are not empty.
        size: of a square.
        font: size of the labels.
        left: width of the row labels; the squares begin there.
        top: height of the column labels.
        width: of the drawing.
        height: of the drawing.
        numbered: whether the squares show their counts.
    """

    classes: tuple[int, ...]
    all_classes: int
    outside: int
    cells: tuple[MatrixCell, ...]
    size: float
    font: float
    left: float
    top: float
    width: float
    height: float
    numbered: bool


def draw_matrix(evaluation: Evaluation, names: tuple[str, ...]) -> Matrix:
    """Lay out all classes, or of more than 100 the 40 that take part in most confusions.

    Args:
        evaluation: what was measured.
        names: [K] labels as they are shown.
    """
    K = len(names)
    index = {name: label for label, name in enumerate(evaluation.classes)}
    pairs = {(index[one.true], index[one.predicted]): one.count for one in evaluation.confusions}
    classes = tuple(range(K)) if K <= DRAWN else _most_confused(pairs)
    place = {label: position for position, label in enumerate(classes)}
    size = float(np.clip(SIDE / max(1, len(classes)), SMALLEST, LARGEST))
    font = min(12.0, size * 0.9)
    label = min(LONGEST, max((len(names[one]) for one in classes), default=0)) * PER_CHARACTER * font + 10
    figures = evaluation.per_class
    correct = {(one, one): figures[one].correct for one in classes if figures[one].correct}
    cells = tuple(
        MatrixCell(
            round(label + place[predicted] * size, 2),
            round(label + place[true] * size, 2),
            true,
            predicted,
            count,
            figures[true].n,
            round((count / figures[true].n) ** 0.5, 3),
            true == predicted,
        )
        for (true, predicted), count in (correct | pairs).items()
        if true in place and predicted in place
    )
    side = round(len(classes) * size, 2)
    return Matrix(
        classes=classes,
        all_classes=K,
        outside=sum(count for pair, count in pairs.items() if not place.keys() >= set(pair)),
        cells=cells,
        size=round(size, 2),
        font=round(font, 2),
        left=round(label, 2),
        top=round(label, 2),
        width=round(label + side + 1, 2),
        height=round(label + side + 1, 2),
        numbered=size >= NUMBERED,
    )


def _most_confused(pairs: dict[tuple[int, int], int]) -> tuple[int, ...]:
    mistakes: Counter[int] = Counter()
    for (true, predicted), count in pairs.items():
        mistakes[true] += count
        mistakes[predicted] += count
    ranked = sorted(mistakes, key=lambda label: (-mistakes[label], label))
    return tuple(sorted(ranked[:DRAWN_OF_MORE]))
