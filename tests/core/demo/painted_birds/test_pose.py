"""Frames are their own inverse, and a pose keeps the bill inside the picture."""

import numpy as np
import pytest

from birdnet_cli.core.demo.painted_birds.pose import CoordinateFrame, draw_pose


def test_coordinates_of_a_pixel_are_the_point_that_lies_there() -> None:
    frame = CoordinateFrame(np.array([7.0, 4.0]), np.array([[3.0, 1.0], [-2.0, 5.0]]))
    u, v = frame.coordinates((slice(2, 8), slice(1, 12)))
    assert u.shape == v.shape == (6, 11)
    pixels = frame.to_pixels(np.stack([u.ravel(), v.ravel()], axis=1)).reshape(6, 11, 2)
    rows, columns = np.mgrid[2:8, 1:12]
    np.testing.assert_allclose(pixels, np.stack([columns, rows], axis=-1), atol=1e-4)


@pytest.mark.parametrize("size", [64, 256])
def test_head_and_bill_lie_inside_every_picture(size: int) -> None:
    poses = [draw_pose(np.random.default_rng(seed), size) for seed in range(2000)]
    # The bill is painted up to 1.5 head radii from the middle of the head.
    outline = np.array([(1.5, 0.0), (-1.0, 0.0), (0.0, -1.0), (0.0, 1.0)])
    for pose in poses:
        points = pose.head.to_pixels(outline)
        assert points.min() >= 0
        assert points.max() <= size
    assert {pose.facing for pose in poses} == {-1, 1}
    assert 0.09 < np.mean([pose.looks_back for pose in poses]) < 0.15


def test_head_of_a_bird_that_looks_back_faces_its_tail() -> None:
    for seed in range(100):
        pose = draw_pose(np.random.default_rng(seed), 128)
        body, head = pose.body.axes[0, 0], pose.head.axes[0, 0]
        assert np.sign(body) == pose.facing
        assert np.sign(head) == (-pose.facing if pose.looks_back else pose.facing)
