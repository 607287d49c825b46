"""Which fold leaves a row out: labels [N], and groups [N] where there are any -> fold of each row [N]."""

import numpy as np
import numpy.typing as npt

from birdnet_cli.core.errors import DataError

__all__ = ["grouped_folds", "stratified_folds"]

IntArray = npt.NDArray[np.int64]


def stratified_folds(labels: IntArray, *, folds: int, seed: int) -> IntArray:
    """Deal the shuffled rows of each class to the folds in turn, going on where the class before ended. -> [N].

    So folds differ by at most one row, in every class and altogether, however small the classes are.

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
    """Keep every group in one fold, and the classes' shares as equal between folds as that allows. -> [N].

    Groups are placed one by one, the largest first and equals in random order: each where the fold already has the
    smallest share of the group's classes, of equals where it has the fewest rows.

    Args:
        labels: [N] in 0 .. K-1.
        groups: [N] any integers; rows of one group must not be both trained on and judged.
        folds: number of folds.
        seed: of the order of equally large groups.

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
        # What the sum of squared shares grows by, less what is the same for every fold.
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
