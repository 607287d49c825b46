import pytest
import torch

from birdnet_cli.core.poolings.first_order import AvgPooling, MaxPooling

X = torch.tensor([[[[1.0, 2.0], [3.0, 10.0]], [[-4.0, -1.0], [-2.0, -9.0]]]])


def test_max_pooling_keeps_the_largest_value_of_each_channel():
    assert MaxPooling(2)(X).tolist() == [[10.0, -1.0]]


def test_raw_average_pooling_is_the_mean_of_each_channel():
    assert AvgPooling(2, normalize=False)(X).tolist() == [[4.0, -4.0]]


def test_average_pooling_takes_the_signed_root_and_the_unit_norm():
    torch.testing.assert_close(AvgPooling(2, normalize=True)(X), torch.tensor([[2.0, -2.0]]) / 8**0.5)


def test_the_average_of_half_precision_is_accumulated_in_float32():
    x = torch.full((1, 1, 100, 100), 1000.0, dtype=torch.float16)

    mean = AvgPooling(1, normalize=False)(x)

    assert mean.dtype == torch.float32
    assert mean.item() == pytest.approx(1000.0)
