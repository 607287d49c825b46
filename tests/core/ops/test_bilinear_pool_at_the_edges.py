"""`bilinear_pool` where things go wrong: zeros, tiny and huge values, NaN, broken promises, other shapes."""

import pytest
import torch
from torch import Tensor

from birdnet_cli.core.errors import NumericsError, UsageError
from birdnet_cli.core.ops import ROOT_FLOOR, bilinear_pool, gram

pytestmark = pytest.mark.usefixtures("implementation")


def feature_map(*shape: int, nonnegative: bool = False) -> Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return x.abs() if nonnegative else x


def gradient_of(x: Tensor, function, weights: Tensor | None = None) -> Tensor:
    x = x.detach().requires_grad_()
    y = function(x)
    upstream = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)) if weights is None else weights
    (y * upstream).sum().backward()
    assert x.grad is not None
    return x.grad


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "full"])
@pytest.mark.parametrize("nonnegative", [True, False], ids=["nonnegative", "signed"])
def test_an_all_zero_map_gives_the_zero_vector_with_gradient_zero(nonnegative, packed):
    x = feature_map(3, 6, 5, nonnegative=nonnegative)
    x[1] = 0

    def pool(x):
        return bilinear_pool(x, nonnegative=nonnegative, packed=packed)

    assert not pool(x)[1].any()
    gradient = gradient_of(x, pool)
    assert not gradient[1].any()
    assert gradient.isfinite().all()
    assert gradient[[0, 2]].any()


def test_the_gradient_near_zero_is_linear_below_the_floor():
    # u_01 = sqrt(2 * 1e-14 / 1.00..): 1.4e-7, below the floor of 9.5e-7; only u_01 receives a gradient.
    x = torch.tensor([[[1.0], [1e-14]]], dtype=torch.float64)
    u = bilinear_pool(x)[0, 1].item()
    assert 0 < u < ROOT_FLOOR

    gradient = gradient_of(x, bilinear_pool, torch.tensor([[0.0, 1.0, 0.0]]))

    # dX = s^2 H X with s = 1: the second row is H_01 x_0 = u / floor^2 (less the term <du, u>, of order u).
    assert gradient[0, 1, 0].item() == pytest.approx(u / ROOT_FLOOR**2, rel=1e-6)
    assert gradient.abs().amax() < 1 / ROOT_FLOOR


@pytest.mark.parametrize("magnitude", [1e-17, 1e15])
def test_scaling_a_map_scales_only_its_gradient(magnitude):
    x = feature_map(2, 9, 12)

    torch.testing.assert_close(bilinear_pool(x * magnitude), bilinear_pool(x))
    gradient = gradient_of(x * magnitude, bilinear_pool)
    torch.testing.assert_close(gradient * magnitude, gradient_of(x, bilinear_pool), rtol=1e-4, atol=1e-6)


def test_a_map_with_subnormal_products_has_finite_values_and_gradient():
    x = feature_map(2, 9, 12) * 1e-21

    assert bilinear_pool(x).isfinite().all()
    assert gradient_of(x, bilinear_pool).isfinite().all()


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e30])
@pytest.mark.parametrize("nonnegative", [True, False], ids=["nonnegative", "signed"])
def test_a_value_that_is_not_finite_or_overflows_makes_its_image_nan_and_no_other(nonnegative, value):
    x = feature_map(3, 6, 5, nonnegative=True)
    healthy = bilinear_pool(x)
    x[1, 2, 3] = value

    descriptor = bilinear_pool(x, nonnegative=nonnegative)

    assert descriptor[1].isnan().all()
    torch.testing.assert_close(descriptor[[0, 2]], healthy[[0, 2]])


def test_a_negative_value_on_the_nonnegative_path_is_named(monkeypatch):
    x = feature_map(4, 3, 5, nonnegative=True)
    x[2, 1, 4] = -0.25
    monkeypatch.setattr(gram, "GRAM_BYTES", 2 * 3 * 3 * 4)

    with pytest.raises(NumericsError, match=r"image 2 of the batch goes down to -0\.25; pass nonnegative=False"):
        bilinear_pool(x, nonnegative=True)


def test_a_map_with_nan_has_no_lowest_value_to_complain_of():
    x = feature_map(3, 6, 5, nonnegative=True)
    x[1, 2, 3], x[1, 4, 1] = torch.nan, -1

    assert bilinear_pool(x, nonnegative=True).isnan().all(1).tolist() == [False, True, False]


def test_the_first_image_of_a_large_batch_with_a_negative_value_is_named():
    x = feature_map(40, 3, 5, nonnegative=True)
    x[[11, 37], 1, 4] = torch.tensor([-2.0, -3.0])

    with pytest.raises(NumericsError, match=r"image 11 of the batch goes down to -2;"):
        bilinear_pool(x, nonnegative=True)


@pytest.mark.parametrize("shape", [(0, 4, 3), (0, 4, 3, 2)], ids=str)
@pytest.mark.parametrize("nonnegative", [True, False], ids=["nonnegative", "signed"])
def test_an_empty_batch_gives_no_descriptors_and_an_empty_gradient(nonnegative, shape):
    x = torch.zeros(shape)

    assert bilinear_pool(x, nonnegative=nonnegative).shape == (0, 10)
    assert gradient_of(x, lambda x: bilinear_pool(x, nonnegative=nonnegative)).shape == shape


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(3, 4), r"expected a feature map \[N, C, L\] or \[N, C, H, W\], got 2 dimensions"),
        (torch.zeros(1, 2, 3, 4, 5), "got 5 dimensions"),
        (torch.zeros(1, 2, 3, dtype=torch.int64), r"float32, float64, bfloat16, float16, got torch\.int64"),
        (torch.zeros(1, 0, 3), r"at least one channel and one position, got \(1, 0, 3\)"),
        (torch.zeros(1, 2, 0, 3), r"at least one channel and one position, got \(1, 2, 0, 3\)"),
    ],
    ids=["2-d", "5-d", "integers", "no channels", "no positions"],
)
def test_what_is_no_feature_map_is_refused(x, message):
    with pytest.raises(UsageError, match=message):
        bilinear_pool(x)


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "full"])
def test_every_value_is_written(packed):
    assert torch.empty(1).isnan()
    x = feature_map(3, 75, 41)

    assert bilinear_pool(x, packed=packed).isfinite().all()
    assert gradient_of(x, lambda x: bilinear_pool(x, packed=packed)).isfinite().all()
