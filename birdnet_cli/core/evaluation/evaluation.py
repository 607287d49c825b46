"""What a model said of a labelled split, and every figure that follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from birdnet_cli.core.evaluation.calibration_error import (
    ReliabilityBin,
    expected_calibration_error,
    negative_log_likelihood,
    reliability_bins,
)
from birdnet_cli.core.evaluation.coverage import CoveragePoint, coverage_curve
from birdnet_cli.core.evaluation.intervals import Estimate
from birdnet_cli.core.evaluation.outcomes import Outcomes
from birdnet_cli.core.evaluation.per_class import (
    ClassFigures,
    Confusion,
    count_classes,
    macro_precision,
    macro_recall,
    rank_confusions,
)
from birdnet_cli.core.evaluation.split_overlap import Duplicate

__all__ = ["Evaluation"]


@dataclass(frozen=True)
class Evaluation:
    """One model on one split; figures are computed from the outcomes when they are asked for.

    Attributes:
        classes: the K class names in the order of the logits.
        outcomes: what the model said of every image.
        failed: the images that could not be read; they are no part of any figure.
        duplicates: evaluated images whose file is in another split too.
        data: name of the data set or cache.
        split: which split.
        model: where the model comes from, for people and for reports.
    """

    classes: tuple[str, ...]
    outcomes: Outcomes
    failed: tuple[str, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    data: str = ""
    split: str = ""
    model: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Images that the figures are of."""
        return len(self.outcomes)

    @property
    def top1(self) -> float:
        """The share of images whose most probable class is the true one."""
        return self.estimates["top1"].value

    @property
    def top5(self) -> float:
        """The share of images whose true class is among the five most probable ones."""
        return self.estimates["top5"].value

    @cached_property
    def estimates(self) -> Mapping[str, Estimate]:
        """Every figure of the whole with its 95% interval, by the name that gates and JSON give it."""
        outcomes = self.outcomes
        return {
            "top1": Estimate.share(int(outcomes.right.sum()), self.n),
            "top5": Estimate.share(int(outcomes.in_top5.sum()), self.n),
            "macro_recall": macro_recall(self.per_class),
            "macro_precision": macro_precision(self.per_class),
            "ece": expected_calibration_error(self.reliability),
            "nll": negative_log_likelihood(outcomes),
        }

    @cached_property
    def per_class(self) -> tuple[ClassFigures, ...]:
        """Counts, recall and precision of each class."""
        return count_classes(self.outcomes, self.classes)

    @cached_property
    def confusions(self) -> tuple[Confusion, ...]:
        """Which classes were taken for which others, by falling count."""
        return rank_confusions(self.outcomes, self.classes)

    @cached_property
    def reliability(self) -> tuple[ReliabilityBin, ...]:
        """How often each confidence is right."""
        return reliability_bins(self.outcomes)

    @cached_property
    def coverage(self) -> tuple[CoveragePoint, ...]:
        """Accuracy against the share of images that is answered."""
        return coverage_curve(self.outcomes)

    @cached_property
    def without_duplicates(self) -> "Evaluation":
        """The same without the images whose file is in another split; itself where there is none."""
        if not self.duplicates:
            return self
        known = {duplicate.name for duplicate in self.duplicates}
        kept = np.array([name not in known for name in self.outcomes.names], bool)
        return Evaluation(self.classes, self.outcomes.select(kept), self.failed, (), self.data, self.split, self.model)
