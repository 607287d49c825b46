"""Backdrops: each kind in its own colours, with a perch to go with it."""

import numpy as np
import pytest

from birdnet_cli.core.demo.painted_birds.backdrop import BACKDROPS, paint_backdrop
from birdnet_cli.core.demo.painted_birds.perch import BARK, LEAF


@pytest.mark.parametrize("kind", BACKDROPS)
def test_backdrop_fills_the_picture_with_legal_colours(kind: str) -> None:
    for seed, size in enumerate((64, 65, 66, 67, 97)):
        picture = paint_backdrop(kind, size, np.random.default_rng(seed))
        assert picture.shape == (size, size, 3)
        assert picture.min() >= 0
        assert picture.max() <= 1
        assert picture.std() > 0.02


def test_kinds_differ_in_colour() -> None:
    means = [paint_backdrop(kind, 64, np.random.default_rng(3)).mean((0, 1)) for kind in BACKDROPS]
    apart = [np.abs(first - second).max() for i, first in enumerate(means) for second in means[:i]]
    assert min(apart) > 0.03


def test_every_backdrop_has_bark_and_leaves() -> None:
    assert set(BARK) == set(LEAF) == set(BACKDROPS)
