import numpy as np
import pytest

from birdnet_cli.core.errors import DataError
from birdnet_cli.core.heads.solver import grouped_folds, stratified_folds


@pytest.mark.parametrize("counts", [[7, 13, 30], [1, 2, 3, 4, 5, 6], [1] * 20 + [2]])
def test_folds_differ_by_at_most_one_row_in_every_class_and_altogether(counts):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))

    folds = stratified_folds(labels, folds=5, seed=3)

    for members in (folds, *(folds[labels == label] for label in range(len(counts)))):
        sizes = np.bincount(members, minlength=5)
        assert len(sizes) == 5
        assert np.ptp(sizes) <= 1


def test_folds_are_drawn_from_the_seed():
    labels = np.repeat(np.arange(4), 25)

    first, again, other = (stratified_folds(labels, folds=5, seed=seed) for seed in (0, 0, 1))

    assert (first == again).all()
    assert (first != other).any()


def test_fewer_rows_than_folds_is_an_error():
    with pytest.raises(DataError, match="expected at least 5 images for 5 folds, got 4"):
        stratified_folds(np.array([0, 0, 1, 1]), folds=5, seed=0)


def test_classes_of_one_image_each_are_an_error():
    with pytest.raises(DataError, match=r"expected a class with at least two training images.*give C"):
        stratified_folds(np.arange(6), folds=5, seed=0)


@pytest.fixture
def photographers():
    """600 rows of 6 classes by 60 photographers, who have taken 1 to 39 pictures of one to three classes each."""
    generator = np.random.default_rng(0)
    groups = np.sort(generator.choice(60, size=600, p=np.arange(1, 61) / 1830))
    labels = (groups + generator.integers(0, 3, size=600)) % 6
    return labels, groups


def test_no_group_is_in_two_folds(photographers):
    labels, groups = photographers

    folds = grouped_folds(labels, groups, folds=5, seed=0)

    assert all(len(set(folds[groups == group])) == 1 for group in np.unique(groups))


def test_grouped_folds_have_about_the_same_share_of_every_class(photographers):
    labels, groups = photographers

    folds = grouped_folds(labels, groups, folds=5, seed=0)

    shares = [np.bincount(folds[labels == label], minlength=5) / (labels == label).sum() for label in range(6)]
    np.testing.assert_allclose(shares, 1 / 5, atol=0.06)


def test_groups_of_one_row_are_stratified(photographers):
    labels, _ = photographers

    folds = grouped_folds(labels, np.arange(600) * 7, folds=5, seed=0)

    for label in range(6):
        assert np.ptp(np.bincount(folds[labels == label], minlength=5)) <= 1


def test_as_many_groups_as_folds_have_a_fold_each():
    folds = grouped_folds(np.array([0, 0, 0, 1, 1, 2]), np.array([8, 8, 8, 8, 3, 5]), folds=3, seed=0)

    assert sorted(folds.tolist()) == [0, 0, 0, 0, 1, 2]


def test_grouped_folds_are_drawn_from_the_seed(photographers):
    labels, _ = photographers
    first, again, other = (grouped_folds(labels, np.arange(600), folds=5, seed=seed) for seed in (0, 0, 1))

    assert (first == again).all()
    assert (first != other).any()


def test_fewer_groups_than_folds_are_an_error():
    with pytest.raises(DataError, match="expected at least 5 groups for 5 folds, got 4: lower --cv"):
        grouped_folds(np.zeros(40, np.int64), np.arange(40) % 4, folds=5, seed=0)


def test_grouped_classes_of_one_image_each_are_an_error():
    with pytest.raises(DataError, match="expected a class with at least two training images"):
        grouped_folds(np.arange(6), np.arange(6), folds=3, seed=0)
