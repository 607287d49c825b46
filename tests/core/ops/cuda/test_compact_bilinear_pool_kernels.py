"""The CUDA kernels of `compact_bilinear_pool` and its backward against the float64 reference."""

import pytest
import torch
from torch import Tensor

from birdnet_cli.core.ops.compact_bilinear_pool import (
    compact_bilinear_pool_backward_reference,
    compact_bilinear_pool_reference,
)
from tests.core.ops.conftest import TOLERANCES
from tests.core.ops.cuda.kernels import Kernels

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
# (N, C, L, dim): many channels share a bucket; more than one slice of rows; more than one block of columns; a sketch
# that is larger than one window, 8,192 values in float32 and 4,096 in float64.
SHAPES = ((1, 1, 1, 1), (2, 5, 4, 3), (2, 67, 49, 101), (3, 19, 6, 64), (1, 300, 5, 90), (1, 70, 3, 9001))


def inputs(N: int, C: int, L: int, dim: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(N, C, L, generator=generator, dtype=torch.float64).to(dtype)
    buckets = torch.randint(dim, (2, C), generator=generator)
    signs = torch.randint(2, (2, C), generator=generator, dtype=torch.int8) * 2 - 1
    return x, buckets, signs


def upstream(sketch: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(sketch.shape, generator=generator, dtype=torch.float64).to(sketch.dtype)


def pool(kernels: Kernels, x: Tensor, buckets: Tensor, signs: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Sketch and gradient, on the CPU."""
    x, buckets, signs = (tensor.to(kernels.device) for tensor in (x, buckets, signs))
    sketch = kernels.ops.compact_bilinear_pool(x, buckets, signs, dim)
    gradient = kernels.ops.compact_bilinear_pool_backward(upstream(sketch).to(kernels.device), x, buckets, signs)
    assert gradient.dtype == x.dtype
    return sketch.cpu(), gradient.cpu()


def expected(x: Tensor, buckets: Tensor, signs: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    sketch = compact_bilinear_pool_reference(x.double(), buckets, signs, dim)
    grad = upstream(sketch.to(torch.float64 if x.dtype == torch.float64 else torch.float32)).double()
    return sketch, compact_bilinear_pool_backward_reference(grad, x.double(), buckets, signs)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_values_and_gradient_equal_the_reference(kernels, dtype, shape, assert_near):
    arguments = inputs(*shape, dtype)

    sketch, gradient = pool(kernels, *arguments, shape[3])

    value, slope = expected(*arguments, shape[3])
    assert sketch.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert_near(sketch, value, dtype)
    assert_near(gradient, slope, dtype, gradient=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize(
    "arrange",
    [
        lambda x: x.mT.contiguous().mT,
        lambda x: x.repeat_interleave(2, dim=2)[:, :, ::2],
        lambda x: x[:1].expand(3, -1, -1),
    ],
    ids=["channels last", "every second position", "expanded"],
)
def test_layouts_change_neither_values_nor_gradient(kernels, arrange, dtype, assert_near):
    x, buckets, signs = (tensor.to(kernels.device) for tensor in inputs(3, 37, 12, 50, dtype))
    x = arrange(x)

    sketch = kernels.ops.compact_bilinear_pool(x, buckets, signs, 50)
    grad = upstream(sketch.cpu()).to(kernels.device)
    gradient = kernels.ops.compact_bilinear_pool_backward(grad, x, buckets, signs)

    value, slope = expected(x.cpu(), buckets.cpu(), signs.cpu(), 50)
    assert_near(sketch.cpu(), value, dtype)
    assert_near(gradient.cpu(), slope, dtype, gradient=True)
    assert gradient.stride() == torch.empty_like(x).stride()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_many_portions_equal_one(emulated, dtype):
    arguments = inputs(7, 40, 9, 100, dtype)
    whole = pool(emulated, *arguments, 100)

    with emulated.device_with(l2_bytes=2 * 3 * 40 * 40 * 4, multiprocessors=0):
        portions = pool(emulated, *arguments, 100)

    for tensor, other in zip(whole, portions, strict=True):
        torch.testing.assert_close(tensor, other)


@pytest.mark.parametrize("shape", [(2, 130, 5, 70), (1, 300, 5, 90), (1, 70, 3, 9001)], ids=str)
def test_the_order_of_threads_changes_no_bit(emulated, shape):
    ascending = pool(emulated, *inputs(*shape), shape[3])
    with emulated.device_with(descending=True):
        descending = pool(emulated, *inputs(*shape), shape[3])

    assert all(map(torch.equal, ascending, descending))


def test_repeating_changes_no_bit(kernels):
    arguments = inputs(4, 300, 20, 90)

    assert all(map(torch.equal, pool(kernels, *arguments, 90), pool(kernels, *arguments, 90)))


def test_hashes_beyond_the_sketch_wrap_around(kernels):
    x, buckets, signs = inputs(2, 40, 6, 50)
    expected_sketch, expected_gradient = pool(kernels, x, buckets, signs, 50)
    beyond = buckets + torch.tensor([[150], [-100]])

    sketch, gradient = pool(kernels, x, beyond, signs, 50)

    assert torch.equal(sketch, expected_sketch)
    assert torch.equal(gradient, expected_gradient)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.float64, torch.float16], ids=str)
def test_signs_of_any_dtype_and_layout_are_the_same_signs(kernels, dtype):
    x, buckets, signs = inputs(2, 40, 6, 50)
    result = pool(kernels, x, buckets, signs, 50)

    other = pool(kernels, x, buckets.T.contiguous().T, signs.T.contiguous().T.to(dtype), 50)

    assert all(map(torch.equal, result, other))


@pytest.mark.parametrize("strength", [1e-42, 1e-6, 1.0, 65536.0])
@pytest.mark.parametrize("magnitude", [1e-3, 1.0])
def test_float16_gradients_keep_their_precision_at_any_scale(kernels, magnitude, strength):
    x, buckets, signs = inputs(2, 40, 30, 64, torch.float16)
    x = x * magnitude
    grad = upstream(torch.empty(2, 64)) * strength

    arguments = (tensor.to(kernels.device) for tensor in (grad, x, buckets, signs))
    gradient = kernels.ops.compact_bilinear_pool_backward(*arguments).cpu().double()

    slope = compact_bilinear_pool_backward_reference(grad.double(), x.double(), buckets, signs)
    # Beyond its tolerance, float16 itself is off by 3e-8 near 0 and by infinity above 65,504.
    error = (gradient.clamp(-65504, 65504) - slope.clamp(-65504, 65504)).abs().amax()
    assert error <= TOLERANCES[torch.float16][1] * slope.abs().amax() + 3e-8


def test_products_beyond_float16_do_not_overflow(kernels, assert_near):
    x, buckets, signs = inputs(2, 9, 50, 32)
    x = (x * 1e4).half()

    sketch, gradient = pool(kernels, x, buckets, signs, 32)

    value, slope = expected(x, buckets, signs, 32)
    assert_near(sketch, value, torch.float16)
    assert_near(gradient.double().clamp(-65504, 65504), slope.clamp(-65504, 65504), torch.float16, gradient=True)


def test_a_value_that_is_not_finite_stays_in_its_image(kernels):
    x, buckets, signs = inputs(3, 40, 6, 50)
    healthy = pool(kernels, x, buckets, signs, 50)
    x[1, 3, 2] = torch.nan

    broken = pool(kernels, x, buckets, signs, 50)

    for tensor, other in zip(broken, healthy, strict=True):
        assert tensor[1].isnan().any()
        assert torch.equal(tensor[[0, 2]], other[[0, 2]])


def test_an_empty_batch_gives_no_sketches_and_an_empty_gradient(kernels):
    sketch, gradient = pool(kernels, *inputs(0, 4, 3, 8), 8)

    assert sketch.shape == (0, 8)
    assert gradient.shape == (0, 4, 3)


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("dim", [64, 9001])
def test_every_value_is_written(kernels, dim, dtype):
    sketch, gradient = pool(kernels, *inputs(2, 70, 7, dim, dtype), dim)

    assert sketch.isfinite().all()
    assert gradient.isfinite().all()


def test_arguments_that_do_not_fit_together_are_refused(kernels):
    x, buckets, signs = (tensor.to(kernels.device) for tensor in inputs(2, 5, 3, 7))
    forward, backward = kernels.ops.compact_bilinear_pool, kernels.ops.compact_bilinear_pool_backward
    grad = torch.ones(2, 7, device=kernels.device)

    with pytest.raises(RuntimeError, match=r"expected a feature map \[N, C, L\], got 2 dimensions"):
        forward(x[0], buckets, signs, 7)
    with pytest.raises(RuntimeError, match="expected int64 buckets"):
        forward(x, buckets.int(), signs, 7)
    with pytest.raises(RuntimeError, match=r"expected buckets and signs of shape \[2, 5\]"):
        forward(x, buckets[:, :4], signs, 7)
    with pytest.raises(RuntimeError, match="expected dim >= 1, got 0"):
        forward(x, buckets, signs, 0)
    with pytest.raises(RuntimeError, match=r"expected grad \[N, dim\] on the device of x, in float32"):
        backward(grad.double(), x, buckets, signs)
    with pytest.raises(RuntimeError, match=r"expected grad \[N, dim\]"):
        backward(grad[:1], x, buckets, signs)
