"""A feature cache -> what is likely wrong with its data set: labels, repeated images, images that do not belong."""

import os
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.device import resolve_device
from birdnet_cli.core.engine.audit.findings import (
    KINDS,
    Finding,
    find_duplicates,
    find_label_errors,
    find_near_duplicates,
    find_outliers,
)
from birdnet_cli.core.engine.audit.likeness import compare_images
from birdnet_cli.core.errors import DataError, UsageError
from birdnet_cli.core.features.cached_rows import CachedRows, choose_descriptor, needs_standardizing
from birdnet_cli.core.heads import OutOfFold, choose_solver, predict_out_of_fold
from birdnet_cli.core.progress import FractionStages, Progress, SilentProgress
from birdnet_cli.core.recipe import HeadSettings

__all__ = ["Audit", "audit_cache"]

NEAR = 0.8


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found, and in what.

    Attributes:
        cache: the file's name.
        descriptor: what images were compared by.
        names: [N] paths of the images.
        splits: [N] theirs.
        labels: int64 [N]; -1 is unlabelled.
        classes: [K] names.
        digests: uint8 [N, 32], sha256 of the files.
        findings: kind by kind, the clearest of each first.
        accuracy: share of labelled images that heads which have not seen them call as their label says; None where
            labels were not judged.
        unreadable: `name: reason` of images that the extraction could not read.
        bbox: whether the extraction cropped images to their bounding boxes.
    """

    cache: str
    descriptor: str
    names: tuple[str, ...]
    splits: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    digests: NDArray[np.uint8]
    findings: tuple[Finding, ...]
    accuracy: float | None
    unreadable: tuple[str, ...]
    bbox: bool

    def counts(self) -> dict[str, int]:
        """Return the number of findings of each kind."""
        found = Counter(one.kind for one in self.findings)
        return {kind: found[kind] for kind in KINDS}

    def label_of(self, row: int) -> str:
        """Return the class that an image has, empty without one."""
        return self.classes[self.labels[row]] if self.labels[row] >= 0 else ""

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one flat record per finding: what, how clear, which image, and what to compare it with."""
        return [
            {
                "kind": one.kind,
                "score": round(one.score, 4),
                "path": self.names[one.row],
                "split": self.splits[one.row],
                "label": self.label_of(one.row),
                "suggestion": "" if one.suggestion is None else self.classes[one.suggestion],
                "other": "" if one.other is None else self.names[one.other],
                "other_split": "" if one.other is None else self.splits[one.other],
                "other_label": "" if one.other is None else self.label_of(one.other),
            }
            for one in self.findings
        ]


def audit_cache(
    path: str | os.PathLike[str],
    *,
    pooling: str | None = None,
    near: float = NEAR,
    settings: HeadSettings | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Look for likely label errors, repeated images and outliers in a cache; the images are not needed.

    Labels of all splits are judged by softmax heads that were solved without them. Time grows with the square of the
    number of images; memory holds no matrix of images x images but the solver's, and leaves labels unjudged where that
    would be too large.

    Args:
        path: a feature cache.
        pooling: which of its descriptors; None is the only one.
        near: images of at least this cosine of their centred descriptors are near-duplicates, 0 to 1.
        settings: of the heads; the default is a softmax head with the defaults of `train-head`.
        progress: follows the work.

    Raises:
        CacheError: not a cache, or damaged.
        UsageError: several descriptors and no choice, or a threshold out of range.
        UnknownNameError: no such descriptor.
        DataError: fewer than two images could be read.
    """
    if not 0 < near <= 1:
        raise UsageError(f"near-duplicates: expected a cosine above 0 and up to 1, got {near}")
    progress = progress or SilentProgress()
    settings = settings or HeadSettings(head="softmax")
    with FeatureCache.open(Path(path)) as cache:
        name = choose_descriptor(cache, pooling)
        good = np.flatnonzero(cache.status == 0)
        if len(good) < 2:
            raise DataError(f"{cache.path}: an audit compares images; {len(good)} could be read")
        labels, standardize = cache.labels[good], needs_standardizing(name)
        source = CachedRows(cache, name, good)
        with FractionStages(progress) as follow:
            likeness = compare_images(
                source,
                labels,
                [cache.splits[row] for row in good],
                standardize=standardize,
                progress=partial(follow, "compare"),
            )
        same = find_duplicates(cache.sha256[good])
        # Copies in two folds would confirm each other's wrong label.
        copies = np.unique(cache.sha256[good], axis=0, return_inverse=True)[1].reshape(-1)
        judged = _judge_labels(cache, name, good[labels >= 0], copies[labels >= 0], settings, progress)
        found = [
            *([] if judged is None else _at(good[labels >= 0], find_label_errors(judged, labels[labels >= 0]))),
            *_at(good, same),
            *_at(good, find_near_duplicates(likeness, least=near, but=[one.row for one in same])),
            *_at(good, find_outliers(likeness, labels)),
        ]
        return Audit(
            cache.path.name,
            name,
            cache.names,
            cache.splits,
            cache.labels,
            cache.classes,
            cache.sha256,
            tuple(found),
            None if judged is None else judged.accuracy,
            tuple(f"{cache.names[row]}: {cache.errors[row]}" for row in np.flatnonzero(cache.status)),
            bool(cache.provenance["bbox"]),
        )


def _judge_labels(
    cache: FeatureCache,
    name: str,
    rows: NDArray[np.int64],
    groups: NDArray[np.int64],
    settings: HeadSettings,
    progress: Progress,
) -> OutOfFold | None:
    """Return what heads say of rows that they have not seen; None, with a note, where that cannot be known."""
    source = CachedRows(cache, name, rows)
    present, labels = np.unique(cache.labels[rows], return_inverse=True)
    if len(present) < 2 or len(np.unique(groups)) < settings.cv:
        progress.note(f"labels are not judged: that takes two classes and {settings.cv} different labelled images")
        return None
    if choose_solver(rows=source.rows, dim=source.dim, settings=settings) == "streamed":
        progress.note(f"labels are not judged: {len(rows):,} images are too many for one kernel matrix")
        return None
    with FractionStages(progress) as follow:
        found = predict_out_of_fold(
            source,
            labels,
            num_classes=len(present),
            settings=settings,
            standardize=needs_standardizing(name),
            groups=groups,
            device=resolve_device(settings.device),
            progress=follow,
        )
    probabilities = torch.zeros(len(rows), len(cache.classes))
    probabilities[:, torch.from_numpy(present)] = found.probabilities
    return replace(found, probabilities=probabilities)


def _at(rows: NDArray[np.int64], findings: list[Finding]) -> list[Finding]:
    """Return findings about positions as findings about the rows at these positions."""
    return [
        replace(one, row=int(rows[one.row]), other=None if one.other is None else int(rows[one.other]))
        for one in findings
    ]
