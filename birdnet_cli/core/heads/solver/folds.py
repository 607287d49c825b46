"""Folds of cross-validation: labels [N], and groups [N] where given -> fold of each row [N]."""

import numpy as np
import numpy.typing as npt

from birdnet_cli.core.errors import DataError

__all__ = ["grouped_folds", "stratified_folds"]

IntArray = npt.NDArray[np.int64]


def stratified_folds(labels: IntArray, *, folds: int, seed: int) -> IntArray:
    """Return the fold of each row, int64 [N]; folds differ by at most one row, in every class and in total.

    The shuffled rows of each class are assigned to the folds in turn, beginning after the fold of the class before.

    Raises:
        DataError: fewer rows than folds, or no class with two rows.
    """
    if len(labels) < folds:
        raise DataError(f"cross-validation: expected at least {folds} images for {folds} folds, got {len(labels)}")
    _check_classes(labels)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    assigned = np.empty(len(labels), np.int64)
    assigned[order] = np.arange(len(labels)) % folds
    return assigned


def grouped_folds(labels: IntArray, groups: IntArray, *, folds: int, seed: int) -> IntArray:
    """Return the fold of each row, int64 [N]; each group lies in one fold, and classes are spread evenly.

    Groups are assigned one after the other, the largest first and equally large groups in random order: each to the
    fold that holds the smallest share of the group's classes; among equal folds, to the fold with the fewest rows.

    Args:
        labels: [N] in 0 .. K-1.
        groups: [N] any integers; rows of one group are never split between training and validation.
        folds: number of folds.
        seed: seed of the order of equally large groups.

    Raises:
        DataError: fewer groups than folds, or no class with two rows.
    """
    _, members, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) < folds:
        raise DataError(
            f"cross-validation: expected at least {folds} groups for {folds} folds, got {len(sizes)}: lower --cv"
        )
    _check_classes(labels)
    K = int(labels.max()) + 1
    counts = np.zeros((len(sizes), K))
    np.add.at(counts, (members, labels), 1)
    shares = counts / np.maximum(counts.sum(axis=0), 1)  # [G, K]
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    held = np.zeros((folds, K))
    fold_of_group = np.empty(len(sizes), np.int64)
    for group in order:
        # Growth of the sum of squared shares, without the terms that are equal for every fold.
        overlap = held @ shares[group]
        chosen = min(range(folds), key=lambda fold: (round(overlap[fold], 9), held[fold].sum()))
        held[chosen] += counts[group]
        fold_of_group[group] = chosen
    return fold_of_group[members]


def _check_classes(labels: IntArray) -> None:
    if np.bincount(labels).max() < 2:
        raise DataError(
            "cross-validation: expected a class with at least two training images, every class has one: add images, or "
            "give C and do without calibration"
        )
