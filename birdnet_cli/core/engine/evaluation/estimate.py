"""A figure together with the 95% interval that says how sure it is."""

from dataclasses import dataclass

from birdnet_cli.core.engine.evaluation.intervals import Interval, wilson_interval

__all__ = ["Estimate"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95% confidence interval.

    Attributes:
        value: the figure.
        interval: its limits.
        part: the numerator, where the figure is a share of counts; else None.
        whole: the denominator, likewise.
    """

    value: float
    interval: Interval
    part: int | None = None
    whole: int | None = None

    @classmethod
    def share(cls, part: int, whole: int) -> "Estimate":
        """Return part / whole with its Wilson interval; of nothing, 0 with an interval that says so."""
        return cls(part / whole if whole else 0.0, wilson_interval(part, whole), part, whole)
