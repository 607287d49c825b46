"""One model's outcomes on a labelled split, and the metrics computed from them."""

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
    ClassEvaluation,
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
    """The evaluation of one model on one split; metrics are computed from the outcomes on first use.

    Attributes:
        classes: K class names in the order of the logits.
        outcomes: the result of every image that could be read.
        failed: `name: reason` of every image that could not be read; no metric counts these images.
        duplicates: evaluated images whose file is also in another split.
        data: name of the data set or cache.
        split: `train`, `val` or `test`.
        model: origin and parts of the model, as `describe_model` returns them.
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
        """Number of images that the metrics are computed from."""
        return len(self.outcomes)

    @property
    def top1(self) -> float:
        """Share of images whose most probable class is the true class, 0..1."""
        return self.estimates["top1"].value

    @property
    def top5(self) -> float:
        """Share of images whose true class is among the five most probable classes, 0..1."""
        return self.estimates["top5"].value

    @cached_property
    def estimates(self) -> Mapping[str, Estimate]:
        """Metrics over all images with their 95% intervals, by the names used in gates and JSON."""
        outcomes = self.outcomes
        return {
            "top1": Estimate.share(int(outcomes.correct.sum()), self.n),
            "top5": Estimate.share(int(outcomes.in_top5.sum()), self.n),
            "macro_recall": macro_recall(self.per_class),
            "macro_precision": macro_precision(self.per_class),
            "ece": expected_calibration_error(self.reliability),
            "nll": negative_log_likelihood(outcomes),
        }

    @cached_property
    def per_class(self) -> tuple[ClassEvaluation, ...]:
        """Counts, recall and precision of each class."""
        return count_classes(self.outcomes, self.classes)

    @cached_property
    def confusions(self) -> tuple[Confusion, ...]:
        """Pairs of a true class and another, predicted class, by falling count."""
        return rank_confusions(self.outcomes, self.classes)

    @cached_property
    def reliability(self) -> tuple[ReliabilityBin, ...]:
        """Accuracy against confidence, in 15 bins."""
        return reliability_bins(self.outcomes)

    @cached_property
    def coverage(self) -> tuple[CoveragePoint, ...]:
        """Accuracy against the share of images answered."""
        return coverage_curve(self.outcomes)

    @cached_property
    def without_duplicates(self) -> "Evaluation":
        """This evaluation without the images whose file is also in another split; itself if no such image exists."""
        if not self.duplicates:
            return self
        known = {duplicate.name for duplicate in self.duplicates}
        kept = np.array([name not in known for name in self.outcomes.names], bool)
        return Evaluation(self.classes, self.outcomes.select(kept), self.failed, (), self.data, self.split, self.model)
