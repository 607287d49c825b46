"""Coordinates of the charts."""

import pytest

from birdnet_cli.core.evaluation import wilson_interval
from birdnet_cli.core.report.charts import PlotArea, draw_coverage, draw_reliability
from tests.core.evaluation.simulated import evaluation_of, simulate

CLASSES = ("auk", "crow", "kiwi")


def test_a_plot_area_puts_zero_at_the_lower_left_and_one_at_the_upper_right() -> None:
    area = PlotArea(left=10, top=20, width=100, height=200)
    assert (area.x(0), area.y(0)) == (10, 220)
    assert (area.x(1), area.y(1)) == (110, 20)
    assert (area.right, area.bottom) == (110, 220)


def test_a_plot_area_that_begins_higher_puts_lower_values_on_its_edge() -> None:
    area = PlotArea(top=0, height=100, lowest=0.9)
    assert area.y(0.95) == pytest.approx(50)
    assert area.y(0.2) == area.bottom


@pytest.mark.parametrize("lowest", [0.0, 0.05, 0.35, 0.5, 0.75, 0.9, 0.95])
def test_ticks_are_few_and_round_and_end_at_one(lowest: float) -> None:
    ticks = PlotArea(lowest=lowest).ticks()
    assert 3 <= len(ticks) <= 6
    assert ticks[-1] == 1
    assert ticks[0] >= lowest
    assert all(round(100 * tick) == pytest.approx(100 * tick) for tick in ticks)


def test_a_dot_is_at_confidence_and_accuracy_with_wilsons_interval() -> None:
    evaluation = evaluation_of(CLASSES, [(0, 0, 0.9)] * 3 + [(0, 1, 0.9)])
    chart = draw_reliability(evaluation.reliability)
    (dot,) = chart.dots
    assert (dot.x, dot.y) == pytest.approx((chart.area.x(0.9), chart.area.y(0.75)), abs=0.01)
    low, high = wilson_interval(3, 4)
    assert (dot.low, dot.high) == (chart.area.y(low), chart.area.y(high))
    assert dot.ideal == pytest.approx(chart.area.y(0.9), abs=0.01)
    assert dot.over


def test_the_height_of_a_bar_is_proportional_to_its_images() -> None:
    evaluation = evaluation_of(CLASSES, [(0, 0, 0.9)] * 40 + [(0, 0, 0.5)] * 10)
    small, large = draw_reliability(evaluation.reliability).dots
    assert large.bar_height == pytest.approx(4 * small.bar_height, rel=0.01)
    assert large.bar_y + large.bar_height == pytest.approx(small.bar_y + small.bar_height)
    assert not large.over


def test_the_coverage_line_ends_at_full_coverage_within_its_band() -> None:
    evaluation = simulate(classes=CLASSES, n=400, sharpness=1.5)
    chart = draw_coverage(evaluation.coverage)
    line = [tuple(map(float, point.split(","))) for point in chart.line.split()]
    band = [tuple(map(float, point.split(","))) for point in chart.band.split()]
    assert len(line) == len(evaluation.coverage)
    assert len(band) == 2 * len(line)
    assert line[-1] == pytest.approx((chart.area.x(1), chart.area.y(evaluation.top1)), abs=0.01)
    upper, lower = band[: len(line)], band[len(line) :][::-1]
    for (x, y), (_, above), (_, below) in zip(line, upper, lower, strict=True):
        assert above <= y <= below
        assert chart.area.left <= x <= chart.area.right
        assert chart.area.top <= y <= chart.area.bottom


def test_the_coverage_axis_begins_below_the_lowest_accuracy() -> None:
    for sharpness in (0.2, 1.0, 3.0, 8.0):
        evaluation = simulate(classes=CLASSES, n=300, sharpness=sharpness)
        lowest = draw_coverage(evaluation.coverage).area.lowest
        assert 0 <= lowest <= 0.95
        assert lowest < min(point.accuracy for point in evaluation.coverage)


def test_charts_of_nothing_are_empty_plots() -> None:
    assert draw_reliability(()).dots == ()
    assert draw_coverage(()).line == ""
