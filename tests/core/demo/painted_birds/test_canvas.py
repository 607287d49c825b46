"""Curves, ribbons, anti-aliased shapes and blurs, against their geometry."""

import numpy as np
import pytest

from birdnet_cli.core.demo.painted_birds.canvas import (
    Sketch,
    blend,
    blur,
    curve,
    mix,
    noise,
    ribbon,
    smoothstep,
    window_around,
)

KNOTS = np.array([(0.0, 0.0), (4.0, 1.0), (5.0, 6.0), (-2.0, 3.0)])


def black(size: int = 20) -> np.ndarray:
    return np.zeros((size, size, 3), np.float32)


def test_open_curve_runs_through_its_control_points_from_the_first_to_the_last() -> None:
    points = curve(KNOTS)
    assert points.shape == (3 * 7 + 1, 2)
    np.testing.assert_allclose(points[::7], KNOTS)


def test_closed_curve_runs_through_its_control_points_and_on_to_the_first() -> None:
    points = curve(KNOTS, closed=True)
    assert points.shape == (4 * 7, 2)
    np.testing.assert_allclose(points[::7], KNOTS)


def test_closed_curve_through_a_square_looks_the_same_from_every_side() -> None:
    square = np.array([(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)])
    points = curve(square, closed=True)
    quarter_turn = np.array([(0.0, 1.0), (-1.0, 0.0)])
    np.testing.assert_allclose(points @ quarter_turn, np.roll(points, -7, axis=0), atol=1e-12)


def test_curve_through_equal_steps_is_a_straight_line() -> None:
    np.testing.assert_allclose(curve([(0, 0), (7, 14), (14, 28)]), np.outer(np.arange(15), (1, 2)), atol=1e-12)


def test_ribbon_has_its_widths_on_either_side_of_the_spine() -> None:
    spine = np.outer(np.linspace(0, 10, 5), (0.6, 0.8))
    outline = ribbon(spine, (1.0, 2.0, 0.0))
    offsets = np.outer((1, 1.5, 2, 1, 0), (-0.8, 0.6))
    np.testing.assert_allclose(outline, np.concatenate([spine + offsets, (spine - offsets)[::-1]]), atol=1e-12)


def test_shape_covers_its_area_and_nothing_outside() -> None:
    image = black()
    square = np.array([(4.0, 5.0), (11.0, 5.0), (11.0, 9.0), (4.0, 9.0)])
    sketch = Sketch(20, square)
    sketch.shape(square, (1.0, 0.4, 0.0))
    coverage = sketch.merge(image)
    assert coverage.sum() == pytest.approx(7 * 4, rel=0.15)
    np.testing.assert_allclose(image[7, 8], (1.0, 0.4, 0.0), atol=0.01)
    assert not image[:4].any()
    assert not image[:, 13:].any()
    np.testing.assert_allclose(image, coverage[..., None] * np.array((1.0, 0.4, 0.0)), atol=0.01)


def test_opacity_may_be_a_number_or_a_field() -> None:
    disc = np.array([[10.0, 10.0]])
    for opacity in (0.5, np.full((20, 20), 0.5, np.float32)):
        image = black() + 1
        sketch = Sketch(20, disc, margin=6)
        sketch.disc(disc[0], 5, (0.0, 0.0, 0.0))
        coverage = sketch.merge(image, opacity=opacity)
        assert image[10, 10] == pytest.approx(0.5, abs=0.01)
        assert coverage.sum() == pytest.approx(0.5 * np.pi * 25, rel=0.1)


def test_sketch_that_reaches_beyond_the_image_is_cut_at_its_border() -> None:
    corners = np.array([(-30.0, -30.0), (10.0, -30.0), (10.0, 50.0), (-30.0, 50.0)])
    sketch = Sketch(20, corners)
    sketch.shape(corners, (1.0, 1.0, 1.0))
    assert sketch.merge(black()).sum() == pytest.approx(20 * 10, rel=0.1)


def test_window_holds_the_points_and_at_least_a_pixel_of_the_image() -> None:
    assert window_around(20, np.array([(3.2, 7.5), (5.9, 8.1)]), margin=1) == (slice(6, 10), slice(2, 7))
    assert window_around(20, np.array([(50.0, -9.0)])) == (slice(0, 1), slice(19, 20))


@pytest.mark.parametrize("radius", [1, 2, 7])
def test_blur_keeps_the_mean_and_spreads_a_point_by_its_radius(radius: float) -> None:
    field = np.zeros((96, 96), np.float32)
    field[40, 56] = 1
    soft = blur(field, radius)
    y, x = np.mgrid[:96, :96]
    total = soft.sum()
    assert total == pytest.approx(1, rel=0.02)
    # A wide blur works on blocks of several pixels, so the centre may move by the half of a block.
    assert (soft * y).sum() / total == pytest.approx(40, abs=radius / 2)
    assert (soft * x).sum() / total == pytest.approx(56, abs=radius / 2)
    deviation = (soft * (y - (soft * y).sum() / total) ** 2).sum() ** 0.5
    assert 0.98 * radius < deviation < 1.45 * radius


@pytest.mark.parametrize("radius", [1, 30])
def test_blur_of_an_even_field_is_that_field(radius: float) -> None:
    even = np.full((31, 50), 0.7, np.float32)
    np.testing.assert_allclose(blur(even, radius), even, atol=1e-5)


def test_smoothstep_rises_or_falls_between_its_ends() -> None:
    values = np.array([-1, 0, 0.25, 0.5, 1, 2], np.float32)
    np.testing.assert_allclose(smoothstep(0, 1, values), (0, 0, 0.15625, 0.5, 1, 1))
    np.testing.assert_allclose(smoothstep(1, 0, values), (1, 1, 0.84375, 0.5, 0, 0))


def test_colours_mix_in_proportion() -> None:
    assert mix((0.0, 1.0, 0.5), (1.0, 0.0, 0.5), 0.25) == (0.25, 0.75, 0.5)
    image = black(2)
    blend(image, np.array([[0, 0.25], [0.5, 1]], np.float32), (1.0, 0.5, 0.0))
    np.testing.assert_allclose(image[..., 0], ((0, 0.25), (0.5, 1)))
    np.testing.assert_allclose(image[..., 1] * 2, image[..., 0])


def test_noise_is_smooth_and_fixed_by_its_generator() -> None:
    first, second = (noise(np.random.default_rng(1), (40, 60), cells=(4, 5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (40, 60)
    assert first.std() > 0.1
    assert np.abs(np.diff(first, axis=1)).max() < 0.2
