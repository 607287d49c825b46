"""The mistakes of the page, and the images beside them."""

from birdnet_cli.core.report.mistakes import PAIRS, PER_SIDE, SUREST, confused_pairs, surest_mistakes
from birdnet_cli.core.report.thumbnails import Thumbnails
from tests.core.evaluation.simulated import evaluation_of, simulate

CLASSES = ("auk", "crow", "kiwi")
PREDICTIONS = [(0, 1, 0.6), (0, 1, 0.9), (0, 1, 0.7), (0, 1, 0.8), (0, 0, 0.9), (1, 0, 0.5), (1, 1, 0.6), (1, 1, 0.95)]
BIRDS = evaluation_of(CLASSES, PREDICTIONS)
NO_IMAGES = Thumbnails(BIRDS.outcomes, {})


def test_a_pair_shows_the_surest_confused_images_beside_correct_predictions() -> None:
    first, second = confused_pairs(BIRDS, NO_IMAGES)
    assert (first.true, first.predicted, first.count, first.of, first.reverse) == (0, 1, 4, 5, 1)
    assert [mistake.name for mistake in first.confused] == ["1.jpg", "3.jpg", "2.jpg"]
    assert len(first.confused) == PER_SIDE
    assert [mistake.name for mistake in first.reference] == ["7.jpg", "6.jpg"]
    assert (second.true, second.predicted, second.count, second.reverse) == (1, 0, 1, 4)


def test_the_surest_mistakes_come_first_and_correct_predictions_never() -> None:
    mistakes = surest_mistakes(BIRDS, NO_IMAGES)
    assert [mistake.name for mistake in mistakes] == ["1.jpg", "3.jpg", "2.jpg", "0.jpg", "5.jpg"]
    assert (mistakes[0].true, mistakes[0].predicted) == (0, 1)


def test_the_numbers_of_pairs_and_mistakes_are_limited() -> None:
    many = simulate(classes=tuple("abcdefgh"), n=900, sharpness=0.5)
    none = Thumbnails(many.outcomes, {})
    assert len(confused_pairs(many, none)) == PAIRS
    assert len(surest_mistakes(many, none)) == SUREST


def test_a_model_without_mistakes_shows_none() -> None:
    perfect = evaluation_of(CLASSES, [(0, 0, 0.9), (1, 1, 0.9)])
    assert confused_pairs(perfect, NO_IMAGES) == surest_mistakes(perfect, NO_IMAGES) == ()
