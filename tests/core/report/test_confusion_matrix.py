"""The places of the cells of a confusion matrix."""

from itertools import pairwise

import pytest

from birdnet_cli.core.report.confusion_matrix import DRAWN, DRAWN_OF_MORE, LARGEST, SMALLEST, draw_matrix
from tests.core.evaluation.simulated import evaluation_of, simulate

CLASSES = ("auk", "crow", "kiwi")
BIRDS = evaluation_of(CLASSES, [(0, 0, 0.9), (0, 0, 0.9), (0, 0, 0.9), (0, 2, 0.9), (1, 0, 0.9)])


def test_a_cell_is_in_the_row_of_its_true_class_and_the_column_of_its_predicted_class() -> None:
    matrix = draw_matrix(BIRDS, CLASSES)
    cells = {(cell.true, cell.predicted): cell for cell in matrix.cells}
    assert set(cells) == {(0, 0), (0, 2), (1, 0)}
    assert cells[0, 2].x - matrix.left == pytest.approx(2 * matrix.size)
    assert cells[0, 2].y == matrix.top
    assert cells[1, 0].y - matrix.top == pytest.approx(matrix.size)
    assert (cells[0, 0].correct, cells[0, 2].correct) == (True, False)
    assert (cells[0, 0].count, cells[0, 0].of) == (3, 4)


def test_strength_is_the_root_of_the_share_of_the_row() -> None:
    cells = {(cell.true, cell.predicted): cell.strength for cell in draw_matrix(BIRDS, CLASSES).cells}
    assert cells == pytest.approx({(0, 0): 0.866, (0, 2): 0.5, (1, 0): 1.0}, abs=1e-3)


def test_few_classes_have_large_numbered_cells_and_many_have_small_cells() -> None:
    few = draw_matrix(BIRDS, CLASSES)
    assert (few.size, few.numbered) == (LARGEST, True)
    names = tuple(f"class {number}" for number in range(DRAWN))
    many = draw_matrix(simulate(classes=names, n=300), names)
    assert (many.size, many.numbered) == (SMALLEST, False)
    assert len(many.classes) == DRAWN
    assert many.outside == 0


def test_everything_lies_within_the_drawing() -> None:
    names = tuple(f"a class with a rather long name, number {number}" for number in range(30))
    matrix = draw_matrix(simulate(classes=names, n=300, sharpness=1.0), names)
    assert max(cell.x for cell in matrix.cells) + matrix.size <= matrix.width
    assert max(cell.y for cell in matrix.cells) + matrix.size <= matrix.height
    assert min(cell.x for cell in matrix.cells) >= matrix.left


def test_of_more_than_100_classes_the_most_confused_are_drawn_in_their_order() -> None:
    K = 150
    classes = tuple(f"class {number:03d}" for number in range(K))
    predictions = [(label, label, 0.9) for label in range(K)]
    # From 101 on, each class is predicted as the class before it as often as its number says; 148 takes part in most.
    predictions += [(label, label - 1, 0.9) for label in range(101, K) for _ in range(label)]
    matrix = draw_matrix(evaluation_of(classes, predictions), classes)
    assert matrix.classes == tuple(range(149 - DRAWN_OF_MORE, 149))
    assert matrix.all_classes == K
    assert matrix.outside == sum(range(101, 149 - DRAWN_OF_MORE + 1)) + 149
    assert all(label < next_label for label, next_label in pairwise(matrix.classes))
    inside = sum(cell.count for cell in matrix.cells if not cell.correct)
    assert inside + matrix.outside == sum(range(101, K))


def test_more_than_100_classes_without_a_mistake_draw_nothing() -> None:
    classes = tuple(map(str, range(DRAWN + 1)))
    matrix = draw_matrix(evaluation_of(classes, [(0, 0, 0.9)]), classes)
    assert (matrix.classes, matrix.cells) == ((), ())
