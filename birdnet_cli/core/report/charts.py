"""Reliability bins and coverage points -> the coordinates of two charts, in SVG units with y downwards."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from birdnet_cli.core.evaluation import CoveragePoint, ReliabilityBin, wilson_interval

__all__ = ["CoverageChart", "PlotArea", "ReliabilityChart", "draw_coverage", "draw_reliability"]

LOWEST_STEP = 0.05  # the y axis of the coverage chart begins at a multiple of this accuracy


@dataclass(frozen=True, slots=True)
class PlotArea:
    """The rectangle of a chart that holds the data, in SVG units, and the values at its edges.

    Attributes:
        left: x coordinate of the left edge, where the x value is 0; at the right edge it is 1.
        top: y coordinate of the upper edge, where the y value is 1.
        width: width of the area.
        height: height of the area.
        lowest: y value at the lower edge, 0 or more and below 1.
    """

    left: float = 64.0
    top: float = 10.0
    width: float = 320.0
    height: float = 300.0
    lowest: float = 0.0

    @property
    def right(self) -> float:
        """x coordinate of the right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """y coordinate of the lower edge."""
        return self.top + self.height

    def x(self, value: float) -> float:
        """Return the x coordinate of a value, 0..1."""
        return round(self.left + self.width * value, 2)

    def y(self, value: float) -> float:
        """Return the y coordinate of a value up to 1; values below `lowest` lie on the lower edge."""
        share = (max(value, self.lowest) - self.lowest) / (1 - self.lowest)
        return round(self.bottom - self.height * share, 2)

    def ticks(self) -> tuple[float, ...]:
        """Return four to six round y values from `lowest` to 1."""
        step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2) if (1 - self.lowest) / step <= 5 + 1e-9)
        first = math.ceil(self.lowest / step - 1e-9)
        return tuple(round(number * step, 10) for number in range(first, round(1 / step) + 1))


@dataclass(frozen=True, slots=True)
class Dot:
    """A bin that has an image, in SVG units: a dot with its interval and its gap to the diagonal, and a bar.

    Attributes:
        x: x of the dot, at the mean confidence.
        y: y of the dot, at the accuracy.
        low: y of the lower limit of the accuracy's interval.
        high: y of its upper limit.
        ideal: y of the diagonal above or below the dot, where accuracy equals confidence.
        over: whether the confidence is above the accuracy.
        bar_x: left edge of the bar, whose height shows the number of images.
        bar_y: upper edge of the bar.
        bar_width: width of the bar.
        bar_height: height of the bar.
        bin: the numbers themselves.
    """

    x: float
    y: float
    low: float
    high: float
    ideal: float
    over: bool
    bar_x: float
    bar_y: float
    bar_width: float
    bar_height: float
    bin: ReliabilityBin


@dataclass(frozen=True, slots=True)
class ReliabilityChart:
    """A reliability diagram, in SVG units.

    Attributes:
        area: the area of the dots.
        dots: the bins that have an image, by rising confidence.
        floor: y of the lower edge of the bars.
        height: height of the drawing.
    """

    area: PlotArea
    dots: tuple[Dot, ...]
    floor: float
    height: float


@dataclass(frozen=True, slots=True)
class CoverageChart:
    """A chart of accuracy over coverage, in SVG units.

    Attributes:
        area: the area of the curve.
        line: the curve, as the points of an SVG polyline.
        band: the band of its 95% intervals, as the points of an SVG polygon.
        height: height of the drawing.
    """

    area: PlotArea
    line: str
    band: str
    height: float


def draw_reliability(bins: Sequence[ReliabilityBin]) -> ReliabilityChart:
    """Place a dot and a bar for every bin that has an image."""
    area = PlotArea()
    depth = 56.0
    floor = area.bottom + depth + 12
    most = max((bin.n for bin in bins), default=0)
    dots = []
    for bin in bins:
        if bin.accuracy is None or bin.confidence is None:
            continue
        low, high = wilson_interval(bin.correct, bin.n)
        bar = max(1.0, depth * bin.n / most)
        dots.append(
            Dot(
                x=area.x(bin.confidence),
                y=area.y(bin.accuracy),
                low=area.y(low),
                high=area.y(high),
                ideal=area.y(bin.confidence),
                over=bin.confidence > bin.accuracy,
                bar_x=area.x(bin.low) + 1,
                bar_y=round(floor - bar, 2),
                bar_width=round(area.width * (bin.high - bin.low) - 2, 2),
                bar_height=round(bar, 2),
                bin=bin,
            )
        )
    return ReliabilityChart(area, tuple(dots), floor, floor + 40)


def draw_coverage(points: Sequence[CoveragePoint]) -> CoverageChart:
    """Place the curve; the y axis begins just below the lowest accuracy, so that differences are visible."""
    lowest = min((point.accuracy for point in points), default=0.0)
    area = PlotArea(lowest=max(0.0, min(0.95, math.floor((lowest - 0.02) / LOWEST_STEP) * LOWEST_STEP)))
    upper = [(area.x(point.coverage), area.y(point.interval.high)) for point in points]
    lower = [(area.x(point.coverage), area.y(point.interval.low)) for point in points]
    line = [(area.x(point.coverage), area.y(point.accuracy)) for point in points]
    return CoverageChart(area, _text(line), _text(upper + lower[::-1]), area.bottom + 40)


def _text(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)
