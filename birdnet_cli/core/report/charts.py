"""Reliability bins and coverage points -> the coordinates of two charts, in SVG units with y downwards."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from birdnet_cli.core.evaluation import CoveragePoint, ReliabilityBin, wilson_interval

__all__ = ["CoverageChart", "PlotArea", "ReliabilityChart", "draw_coverage", "draw_reliability"]

LOWEST_STEP = 0.05  # the coverage chart's y axis begins at a multiple of this


@dataclass(frozen=True, slots=True)
class PlotArea:
    """A plot area and the values at its edges.

    Attributes:
        left: x of its left edge.
        top: y of its upper edge.
        width: of the area.
        height: of the area.
        lowest: the y value at its lower edge; that of the upper edge is 1. The x values are 0 to 1.
    """

    left: float = 64.0
    top: float = 10.0
    width: float = 320.0
    height: float = 300.0
    lowest: float = 0.0

    @property
    def right(self) -> float:
        """The x of its right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The y of its lower edge."""
        return self.top + self.height

    def x(self, value: float) -> float:
        """Return where a value lies from left to right."""
        return round(self.left + self.width * value, 2)

    def y(self, value: float) -> float:
        """Return where a value lies from top to bottom, at the edge if it is below `lowest`."""
        share = (max(value, self.lowest) - self.lowest) / (1 - self.lowest)
        return round(self.bottom - self.height * share, 2)

    def ticks(self) -> tuple[float, ...]:
        """Return four to six round y values from `lowest` to 1."""
        step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2) if (1 - self.lowest) / step <= 5 + 1e-9)
        first = math.ceil(self.lowest / step - 1e-9)
        return tuple(round(number * step, 10) for number in range(first, round(1 / step) + 1))


@dataclass(frozen=True, slots=True)
class Dot:
    """One bin: a dot at (confidence, accuracy), its interval, and the line to the diagonal; a bar for its images."""

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
    """Dots over `area`; bars, which grow from `floor` upwards, over how many images have which confidence."""

    area: PlotArea
    dots: tuple[Dot, ...]
    floor: float
    height: float


@dataclass(frozen=True, slots=True)
class CoverageChart:
    """A line of accuracy over coverage, as SVG points, and the band of its intervals."""

    area: PlotArea
    line: str
    band: str
    height: float


def draw_reliability(bins: Sequence[ReliabilityBin]) -> ReliabilityChart:
    """Place a dot and a bar for every bin that has an image."""
    area = PlotArea()
    depth = 56.0
    floor = area.bottom + depth + 12
    most = max((one.n for one in bins), default=0)
    dots = []
    for one in bins:
        if one.accuracy is None or one.confidence is None:
            continue
        low, high = wilson_interval(one.correct, one.n)
        bar = max(1.0, depth * one.n / most)
        dots.append(
            Dot(
                x=area.x(one.confidence),
                y=area.y(one.accuracy),
                low=area.y(low),
                high=area.y(high),
                ideal=area.y(one.confidence),
                over=one.confidence > one.accuracy,
                bar_x=area.x(one.low) + 1,
                bar_y=round(floor - bar, 2),
                bar_width=round(area.width * (one.high - one.low) - 2, 2),
                bar_height=round(bar, 2),
                bin=one,
            )
        )
    return ReliabilityChart(area, tuple(dots), floor, floor + 40)


def draw_coverage(points: Sequence[CoveragePoint]) -> CoverageChart:
    """Place the curve; the y axis begins below the lowest accuracy, so that what differs can be seen."""
    lowest = min((point.accuracy for point in points), default=0.0)
    area = PlotArea(lowest=max(0.0, min(0.95, math.floor((lowest - 0.02) / LOWEST_STEP) * LOWEST_STEP)))
    upper = [(area.x(point.coverage), area.y(point.interval.high)) for point in points]
    lower = [(area.x(point.coverage), area.y(point.interval.low)) for point in points]
    line = [(area.x(point.coverage), area.y(point.accuracy)) for point in points]
    return CoverageChart(area, _text(line), _text(upper + lower[::-1]), area.bottom + 40)


def _text(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)
