"""The windows of a map as columns, against PyTorch's own convolution."""

import pytest
import torch
from torch.nn import functional

from birdnet_cli.core.ops.window import Window

GEOMETRIES = {
    "pointwise": ((1, 1), (1, 1), (0, 0), (1, 1), 1),
    "pointwise with stride": ((1, 1), (2, 3), (0, 0), (1, 1), 1),
    "padded 1x1": ((1, 1), (1, 1), (1, 0), (1, 1), 1),
    "3x2, strided, dilated, grouped": ((3, 2), (2, 1), (1, 0), (1, 2), 2),
}


@pytest.fixture(params=GEOMETRIES.values(), ids=GEOMETRIES.keys())
def window(request: pytest.FixtureRequest) -> Window:
    return Window(*request.param)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_weight_times_the_columns_is_the_convolution(window: Window) -> None:
    x = draw(2, 4, 7, 8)
    weight = draw(6, 4 // window.groups, *window.kernel, seed=1)
    expected = functional.conv2d(x, weight, None, window.stride, window.padding, window.dilation, window.groups)

    rows = weight.view(window.groups, 6 // window.groups, -1)
    product = torch.bmm(rows, window.columns(x)).flatten(0, 1)  # [O, n*L]

    assert window.output_size(x) == tuple(expected.shape[2:])
    torch.testing.assert_close(product, expected.transpose(0, 1).flatten(1))


def test_folding_is_the_transpose_of_the_columns(window: Window) -> None:
    x = draw(2, 4, 7, 8)
    columns = window.columns(x)
    other = draw(*columns.shape, seed=2)
    torch.testing.assert_close((columns * other).sum(), (x * window.fold(other, x)).sum())


def test_a_kernel_that_does_not_fit_has_an_output_below_1() -> None:
    assert min(Window((5, 5), (1, 1), (0, 0), (1, 1), 1).output_size(draw(1, 1, 4, 9))) < 1
