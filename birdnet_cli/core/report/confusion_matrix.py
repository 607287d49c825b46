"""An evaluation -> the coordinates of a confusion matrix's cells and labels, in SVG units."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from birdnet_cli.core.evaluation import Evaluation

__all__ = ["Matrix", "MatrixCell", "draw_matrix"]

# All classes are drawn up to this number; beyond it, only the most confused classes.
DRAWN = 100
DRAWN_OF_MORE = 40
SIDE = 780.0  # preferred width of all cells
SMALLEST, LARGEST = 11.0, 46.0  # width of a cell
# A cell of this width has room for its count.
NUMBERED = 22.0
PER_CHARACTER = 0.56  # mean width of a character, in font sizes
LONGEST = 30  # characters of a label


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """A cell of the matrix that has an image.

    Attributes:
        x: left edge.
        y: upper edge.
        true: index of the true class (row).
        predicted: index of the predicted class (column).
        count: number of images in the cell.
        of: number of images in the row.
        strength: square root of count / of, 0..1.
        correct: whether the cell lies on the diagonal.
    """

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
    """A drawn confusion matrix: true classes as rows, predicted classes as columns.

    Attributes:
        classes: indices of the drawn classes, in their order.
        all_classes: number of all classes, K.
        outside: number of mistakes whose true or predicted class is not drawn.
        cells: the cells that have an image.
        size: width and height of a cell.
        font: font size of the labels.
        left: width of the row labels, and so the left edge of the cells.
        top: height of the column labels, and so the upper edge of the cells.
        width: width of the drawing.
        height: height of the drawing.
        numbered: whether the cells show their counts.
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
    """Lay out all classes, or the 40 classes with the most mistakes if there are more than 100.

    Args:
        evaluation: the evaluation to draw.
        names: K class names for the labels.
    """
    K = len(names)
    index = {name: label for label, name in enumerate(evaluation.classes)}
    pairs = {(index[pair.true], index[pair.predicted]): pair.count for pair in evaluation.confusions}
    classes = tuple(range(K)) if K <= DRAWN else _most_confused(pairs)
    place = {label: position for position, label in enumerate(classes)}
    size = float(np.clip(SIDE / max(1, len(classes)), SMALLEST, LARGEST))
    font = min(12.0, size * 0.9)
    margin = min(LONGEST, max((len(names[label]) for label in classes), default=0)) * PER_CHARACTER * font + 10
    per_class = evaluation.per_class
    correct = {(label, label): per_class[label].correct for label in classes if per_class[label].correct}
    cells = tuple(
        MatrixCell(
            round(margin + place[predicted] * size, 2),
            round(margin + place[true] * size, 2),
            true,
            predicted,
            count,
            per_class[true].n,
            round((count / per_class[true].n) ** 0.5, 3),
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
        left=round(margin, 2),
        top=round(margin, 2),
        width=round(margin + side + 1, 2),
        height=round(margin + side + 1, 2),
        numbered=size >= NUMBERED,
    )


def _most_confused(pairs: dict[tuple[int, int], int]) -> tuple[int, ...]:
    mistakes: Counter[int] = Counter()
    for (true, predicted), count in pairs.items():
        mistakes[true] += count
        mistakes[predicted] += count
    ranked = sorted(mistakes, key=lambda label: (-mistakes[label], label))
    return tuple(sorted(ranked[:DRAWN_OF_MORE]))
