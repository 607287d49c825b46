"""Audit a feature cache: find likely label errors, repeated images and outliers of its data set."""

import os
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from birdnet_cli.core.cache import STATUS_OK, FeatureCache
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

NEAR = 0.8  # cosine of near-duplicates


@dataclass(frozen=True, eq=False)
class Audit:
    """The findings of an audit, and the cache's images that they refer to.

    Attributes:
        cache: name of the cache's file.
        descriptor: canonical name of the descriptor that images were compared by.
        names: N image paths, relative to the data set's root.
        splits: N splits.
        labels: int64 [N], class indices 0..K-1; -1 is unlabelled.
        classes: K class names.
        digests: uint8 [N, 32], SHA-256 of the files.
        findings: findings kind by kind, by falling score within a kind.
        accuracy: share of the judged images whose label is predicted by heads solved without them, 0..1; None if labels
            were not judged.
        unreadable: `name: reason` of every image that the extraction could not read.
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
        found = Counter(finding.kind for finding in self.findings)
        return {kind: found[kind] for kind in KINDS}

    def label_of(self, row: int) -> str:
        """Return the class name of image `row`; empty if it is unlabelled."""
        return self.classes[self.labels[row]] if self.labels[row] >= 0 else ""

    def to_rows(self) -> list[dict[str, Any]]:
        """Return a flat JSON object per finding: kind, score, image, and the image or class to compare it with."""
        return [
            {
                "kind": finding.kind,
                "score": round(finding.score, 4),
                "path": self.names[finding.row],
                "split": self.splits[finding.row],
                "label": self.label_of(finding.row),
                "suggestion": "" if finding.suggestion is None else self.classes[finding.suggestion],
                "other": "" if finding.other is None else self.names[finding.other],
                "other_split": "" if finding.other is None else self.splits[finding.other],
                "other_label": "" if finding.other is None else self.label_of(finding.other),
            }
            for finding in self.findings
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

    Labels of all splits are judged by heads that were solved without them. Time grows with N^2. The only N x N matrix
    in memory is the solver's; if it would be too large, labels are not judged.

    Args:
        path: a feature cache.
        pooling: name of a descriptor of the cache; None if the cache has a single descriptor.
        near: lowest cosine of the centred descriptors of near-duplicates, above 0 and up to 1.
        settings: settings of the heads; None is a softmax head with the defaults of `train-head`.
        progress: follows the work.

    Raises:
        CacheError: the file is not a cache, or it is damaged.
        UsageError: the cache has several descriptors and `pooling` is None, or `near` is out of range.
        UnknownNameError: the cache has no descriptor `pooling`.
        DataError: fewer than two images could be read.
    """
    if not 0 < near <= 1:
        raise UsageError(f"near-duplicates: expected a cosine above 0 and up to 1, got {near}")
    progress = progress or SilentProgress()
    settings = settings or HeadSettings(head="softmax")
    with FeatureCache.open(Path(path)) as cache:
        name = choose_descriptor(cache, pooling)
        good = np.flatnonzero(cache.status == STATUS_OK)
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
        # Copies stay in one fold: a head that has seen a copy would confirm its wrong label.
        copies = np.unique(cache.sha256[good], axis=0, return_inverse=True)[1].reshape(-1)
        judged = _judge_labels(cache, name, good[labels >= 0], copies[labels >= 0], settings, progress)
        found = [
            *([] if judged is None else _at_rows(good[labels >= 0], find_label_errors(judged, labels[labels >= 0]))),
            *_at_rows(good, same),
            *_at_rows(good, find_near_duplicates(likeness, least=near, excluded=[finding.row for finding in same])),
            *_at_rows(good, find_outliers(likeness, labels)),
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
            tuple(f"{cache.names[row]}: {cache.errors[row]}" for row in np.flatnonzero(cache.status != STATUS_OK)),
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
    """Return probabilities of heads that were solved without the rows.

    Args:
        cache: the cache.
        name: the descriptor.
        rows: int64 [n], labelled rows of the cache.
        groups: int64 [n]; rows of the same group stay in one fold.
        settings: settings of the heads.
        progress: follows the work, and gets a note if labels cannot be judged.

    Returns:
        Probabilities [n, K] over the cache's classes; None if labels cannot be judged.
    """
    source = CachedRows(cache, name, rows)
    present, labels = np.unique(cache.labels[rows], return_inverse=True)
    if len(present) < 2 or len(np.unique(groups)) < settings.cv:
        progress.note(f"labels are not judged: they need two classes and {settings.cv} different labelled images")
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


def _at_rows(rows: NDArray[np.int64], findings: list[Finding]) -> list[Finding]:
    """Translate findings about positions 0..n-1 to the cache's rows at these positions."""
    return [
        replace(finding, row=int(rows[finding.row]), other=None if finding.other is None else int(rows[finding.other]))
        for finding in findings
    ]
