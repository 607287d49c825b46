"""The CUDA kernels of `bilinear_pool` and its backward against the float64 reference: values, layouts, edges."""

import pytest
import torch
from torch import Tensor

from birdnet_cli.core.ops.bilinear_pool import bilinear_pool_backward_reference, bilinear_pool_reference
from tests.core.ops.conftest import TOLERANCES
from tests.core.ops.cuda.kernels import Kernels

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
# One tile of 32 and parts of it, a full row of four loads, a strip of positions and one more.
SHAPES = ((1, 1, 1), (2, 1, 6), (3, 7, 1), (2, 5, 4), (2, 32, 32), (2, 33, 31), (1, 67, 70), (1, 131, 40))


def feature_map(*shape: int, dtype: torch.dtype = torch.float32, nonnegative: bool = False) -> Tensor:
    # Signed values are multiples of 1/4, so that no product comes out near 0 by rounding: see test_bilinear_pool.py.
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (x.abs() if nonnegative else (x * 4).round() / 4).to(dtype)


def upstream(shape: torch.Size, dtype: torch.dtype) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


def pool(kernels: Kernels, x: Tensor, *, nonnegative: bool = False, packed: bool = True) -> tuple[Tensor, Tensor]:
    """Descriptor and gradient, on the CPU; `upstream` is the descriptor's gradient."""
    x = x.to(kernels.device)
    descriptor, scale = kernels.ops.bilinear_pool(x, nonnegative, packed)
    grad = upstream(descriptor.shape, descriptor.dtype).to(kernels.device)
    gradient = kernels.ops.bilinear_pool_backward(grad, x, descriptor, scale, packed)
    assert gradient.dtype == x.dtype
    return descriptor.cpu(), gradient.cpu()


def expected(x: Tensor, *, nonnegative: bool = False, packed: bool = True) -> tuple[Tensor, Tensor]:
    x = x.double()
    descriptor, scale = bilinear_pool_reference(x, nonnegative, packed)
    dtype = torch.float32 if x.dtype != torch.float64 else torch.float64
    grad = upstream(descriptor.shape, dtype)
    return descriptor, bilinear_pool_backward_reference(grad, x, descriptor, scale, packed)


@pytest.mark.pairwise
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "full"])
@pytest.mark.parametrize("nonnegative", [True, False], ids=["nonnegative", "signed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_values_and_gradient_equal_the_reference(kernels, dtype, shape, nonnegative, packed, assert_near):
    x = feature_map(*shape, dtype=dtype, nonnegative=nonnegative)

    descriptor, gradient = pool(kernels, x, nonnegative=nonnegative, packed=packed)

    assert descriptor.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    value, slope = expected(x, nonnegative=nonnegative, packed=packed)
    assert_near(descriptor, value, dtype)
    if shape[1] > 1:
        assert_near(gradient, slope, dtype, gradient=True)
    else:
        # The exact gradient is 0: the only value is always 1.
        assert gradient.abs().amax() < 1e-5


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "full"])
@pytest.mark.parametrize("channels", [1, 2, 70])
def test_the_scale_is_one_over_the_norm(kernels, channels, packed):
    x = feature_map(5, channels, 9, dtype=torch.float64, nonnegative=True)
    x[3] = 0

    for nonnegative in (True, False):
        _, scale = kernels.ops.bilinear_pool(x.to(kernels.device), nonnegative, packed)
        torch.testing.assert_close(scale.cpu(), bilinear_pool_reference(x, nonnegative, packed)[1])


LAYOUTS = {
    "channels last": lambda x: x.mT.contiguous().mT,
    "every second position": lambda x: x.repeat_interleave(2, dim=2)[:, :, ::2],
    "batch last": lambda x: x.permute(1, 2, 0).contiguous().permute(2, 0, 1),
    "expanded": lambda x: x[:1].expand(3, -1, -1),
}


@pytest.mark.pairwise
@pytest.mark.parametrize("shape", [(3, 37, 45), (3, 40, 1), (3, 1, 40)], ids=str)
@pytest.mark.parametrize("arrange", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("nonnegative", [True, False], ids=["nonnegative", "signed"])
def test_layouts_change_neither_values_nor_gradient(kernels, nonnegative, dtype, arrange, shape, assert_near):
    x = arrange(feature_map(*shape, dtype=dtype, nonnegative=nonnegative).to(kernels.device))

    descriptor, scale = kernels.ops.bilinear_pool(x, nonnegative, True)
    grad = upstream(descriptor.shape, torch.float32).to(kernels.device)
    gradient = kernels.ops.bilinear_pool_backward(grad, x, descriptor, scale, True)

    value, slope = expected(x.cpu(), nonnegative=nonnegative)
    assert_near(descriptor.cpu(), value, dtype)
    assert gradient.stride() == torch.empty_like(x).stride()
    if shape[1] > 1:
        assert_near(gradient.cpu(), slope, dtype, gradient=True)


def test_a_gradient_without_memory_of_its_own_is_accepted(kernels):
    x = feature_map(2, 9, 12).to(kernels.device)
    descriptor, scale = kernels.ops.bilinear_pool(x, False, True)
    tensor = torch.ones((), device=kernels.device)

    expanded = kernels.ops.bilinear_pool_backward(tensor.expand_as(descriptor), x, descriptor, scale, True)

    assert torch.equal(
        expanded, kernels.ops.bilinear_pool_backward(torch.ones_like(descriptor), x, descriptor, scale, True)
    )


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "full"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_many_portions_equal_one(emulated, dtype, packed):
    x = feature_map(7, 40, 9, dtype=dtype, nonnegative=True)
    whole = pool(emulated, x, nonnegative=True, packed=packed)

    with emulated.device_with(l2_bytes=2 * 3 * 40 * 40 * 4, multiprocessors=0):
        portions = pool(emulated, x, nonnegative=True, packed=packed)

    for tensor, other in zip(whole, portions, strict=True):
        torch.testing.assert_close(tensor, other)


@pytest.mark.slow
def test_more_images_than_a_grid_holds(emulated):
    x = torch.tensor([1.0, -2.0, 0.0, 4.0]).repeat(16_385).view(-1, 1, 1)

    descriptor, scale = emulated.ops.bilinear_pool(x, False, True)

    assert len(x) > 65_535
    assert torch.equal(descriptor.flatten(), (x != 0).float().flatten())
    assert torch.equal(scale, torch.where(x == 0, 0, 1 / x.abs()).flatten())


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "full"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_the_order_of_threads_changes_no_bit(emulated, dtype, packed):
    for arrange in (torch.clone, LAYOUTS["channels last"]):
        x = arrange(feature_map(2, 70, 45, dtype=dtype, nonnegative=True))
        for nonnegative in (True, False):
            ascending = pool(emulated, x, nonnegative=nonnegative, packed=packed)
            with emulated.device_with(descending=True):
                descending = pool(emulated, x, nonnegative=nonnegative, packed=packed)
            assert all(map(torch.equal, ascending, descending))


def test_repeating_changes_no_bit(kernels):
    x = feature_map(4, 67, 130, dtype=torch.bfloat16)

    assert all(map(torch.equal, pool(kernels, x), pool(kernels, x)))


@pytest.mark.pairwise
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "full"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("nonnegative", [True, False], ids=["nonnegative", "signed"])
def test_dead_channels_and_maps_of_zeros_give_exact_zeros(kernels, nonnegative, dtype, packed):
    x = feature_map(3, 36, 5, dtype=dtype, nonnegative=True)
    x[:, [1, 34]] = 0
    x[1] = 0

    descriptor, gradient = pool(kernels, x, nonnegative=nonnegative, packed=packed)

    assert not descriptor[1].any()
    assert not gradient[1].any()
    assert not gradient[:, [1, 34]].any()
    assert gradient[[0, 2]].any()
    assert gradient.isfinite().all()
    assert int((descriptor[0] == 0).sum()) == (36 + 35 if packed else 4 * 36 - 4)


@pytest.mark.parametrize("magnitude", [1e-17, 1e-12, 1e15])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_scaling_a_map_scales_only_its_gradient(kernels, dtype, magnitude, assert_near):
    x = (feature_map(2, 9, 12) * magnitude).to(dtype)

    descriptor, gradient = pool(kernels, x)

    value, slope = expected(x)
    assert_near(descriptor, value, dtype)
    assert_near(gradient, slope, dtype, gradient=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_map_with_subnormal_products_has_finite_values_and_gradient(kernels, dtype):
    descriptor, gradient = pool(kernels, (feature_map(2, 9, 12) * 1e-21).to(dtype))

    assert descriptor.isfinite().all()
    assert gradient.isfinite().all()
    assert gradient.any()


@pytest.mark.parametrize("strength", [1e-42, 1e-6, 1.0, 65536.0])
@pytest.mark.parametrize("magnitude", [1e-3, 1.0, 1e4])
def test_float16_gradients_keep_their_precision_at_any_scale(kernels, magnitude, strength, assert_near):
    # Neither s^2, nor du / u, nor the sum over channels fits into float16 by itself; the gradient does.
    x = (feature_map(2, 40, 30, nonnegative=True) * magnitude).half()
    descriptor, scale = kernels.ops.bilinear_pool(x.to(kernels.device), True, True)
    grad = (upstream(descriptor.shape, torch.float32) * strength).to(kernels.device)

    gradient = kernels.ops.bilinear_pool_backward(grad, x.to(kernels.device), descriptor, scale, True).cpu()

    u, s = bilinear_pool_reference(x.double(), True, True)
    slope = bilinear_pool_backward_reference(grad.cpu().double(), x.double(), u, s, True)
    # Beyond its tolerance, float16 itself is off by 3e-8 near 0 and by infinity above 65,504.
    error = (gradient.double().clamp(-65504, 65504) - slope.clamp(-65504, 65504)).abs().amax()
    assert error <= TOLERANCES[torch.float16][1] * slope.abs().amax() + 3e-8


@pytest.mark.pairwise
@pytest.mark.parametrize("arrange", [torch.clone, LAYOUTS["channels last"]], ids=["contiguous", "channels last"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e30])
@pytest.mark.parametrize("nonnegative", [True, False], ids=["nonnegative", "signed"])
def test_a_value_that_is_not_finite_or_overflows_makes_its_image_nan_and_no_other(kernels, nonnegative, value, arrange):
    x = feature_map(3, 36, 35, nonnegative=True)
    healthy = pool(kernels, x, nonnegative=nonnegative)
    x[1, 34, 33] = value

    broken = pool(kernels, arrange(x), nonnegative=nonnegative)

    for tensor, other in zip(broken, healthy, strict=True):
        assert tensor[1].isnan().all()
        torch.testing.assert_close(tensor[[0, 2]], other[[0, 2]])


@pytest.mark.pairwise
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "full"])
@pytest.mark.parametrize("arrange", [torch.clone, LAYOUTS["channels last"]], ids=["contiguous", "channels last"])
@pytest.mark.parametrize("position", [(0, 0), (35, 34), (7, 33)], ids=str)
def test_a_negative_value_on_the_nonnegative_path_makes_its_image_nan(kernels, position, arrange, packed):
    x = feature_map(3, 36, 35, nonnegative=True)
    healthy, _ = pool(kernels, x, nonnegative=True, packed=packed)
    x[1][position] = -1e-3

    descriptor, gradient = pool(kernels, arrange(x), nonnegative=True, packed=packed)

    assert descriptor[1].isnan().all()
    assert gradient[1].isnan().all()
    torch.testing.assert_close(descriptor[[0, 2]], healthy[[0, 2]])
    assert gradient[[0, 2]].isfinite().all()


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "full"])
def test_an_empty_batch_gives_no_descriptors_and_an_empty_gradient(kernels, packed):
    descriptor, gradient = pool(kernels, torch.zeros(0, 4, 3), packed=packed)

    assert descriptor.shape == (0, 10 if packed else 16)
    assert gradient.shape == (0, 4, 3)


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "full"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_every_value_is_written(kernels, dtype, packed):
    x = feature_map(3, 45, 37, dtype=dtype, nonnegative=True)

    for nonnegative in (True, False):
        descriptor, gradient = pool(kernels, x, nonnegative=nonnegative, packed=packed)
        assert descriptor.isfinite().all()
        assert gradient.isfinite().all()


def test_arguments_that_do_not_fit_together_are_refused(kernels):
    x = feature_map(2, 4, 3).to(kernels.device)
    descriptor, scale = kernels.ops.bilinear_pool(x, False, True)

    with pytest.raises(RuntimeError, match=r"expected a feature map \[N, C, L\], got 2 dimensions"):
        kernels.ops.bilinear_pool(x[0], False, True)
    with pytest.raises(RuntimeError, match="expected float32, float64, bfloat16 or float16, got Int"):
        kernels.ops.bilinear_pool(x.int(), False, True)
    with pytest.raises(RuntimeError, match="expected grad on the device of x and in float32"):
        kernels.ops.bilinear_pool_backward(descriptor.double(), x, descriptor, scale, True)
    with pytest.raises(RuntimeError, match="expected 32 values of 2 images in grad, got 20"):
        kernels.ops.bilinear_pool_backward(descriptor, x, descriptor, scale, False)
    with pytest.raises(RuntimeError, match="expected 20 values of 2 images in descriptor, got 20"):
        kernels.ops.bilinear_pool_backward(descriptor, x, descriptor.flatten(), scale, True)
