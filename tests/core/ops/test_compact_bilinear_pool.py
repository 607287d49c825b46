"""`compact_bilinear_pool` against the form with a Fourier transform per position, in float64."""

import pytest
import torch
from torch import Tensor

from birdnet_cli.core.ops import compact_bilinear_pool, gram
from tests.core.ops.sketches import gradient_of, inputs

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
SHAPES = ((1, 1, 1, 1), (2, 5, 4, 3), (3, 37, 1, 64), (2, 67, 49, 101), (2, 19, 6, 16))

pytestmark = pytest.mark.usefixtures("instruction_set")


def count_sketch(x: Tensor, buckets: Tensor, signs: Tensor, dim: int) -> Tensor:
    """[N, C, L] -> [N, L, dim], one channel at a time."""
    N, C, L = x.shape
    sketch = torch.zeros(N, L, dim, dtype=x.dtype)
    for c in range(C):
        indicator = torch.zeros(dim, dtype=x.dtype)
        indicator[buckets[c]] = float(signs[c])
        sketch = sketch + x[:, c, :, None] * indicator
    return sketch


def oracle(x: Tensor, *, buckets: Tensor, signs: Tensor, dim: int) -> Tensor:
    """Algorithm 2 of Gao et al.: the product of two transforms at every position, summed; in float64."""
    x = x.double()
    first, second = (torch.fft.fft(count_sketch(x, buckets[k], signs[k], dim)) for k in (0, 1))
    return torch.fft.ifft(first * second).real.sum(1)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_values_and_gradient_equal_the_fourier_form(dtype, shape, assert_near):
    x, hashes = inputs(*shape, dtype)

    sketch = compact_bilinear_pool(x, **hashes)
    gradient = gradient_of(x, compact_bilinear_pool, **hashes)

    assert sketch.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert gradient.dtype == dtype
    assert_near(sketch, oracle(x, **hashes), dtype)
    assert_near(gradient, gradient_of(x.double(), oracle, **hashes), dtype, gradient=True)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_more_positions_than_are_summed_at_once_equal_the_sketched_gram_matrix(
    dtype, threads, assert_near, set_threads
):
    # The kernels sum over 2,048 to 8,192 positions at a time where there are two rows of tiles, by dtype.
    x, hashes = inputs(1, 35, 9001, 50, dtype)
    gram_matrix = x[0].double() @ x[0].double().T
    expected = torch.zeros(1, 50, dtype=torch.float64)
    for i, j in ((i, j) for i in range(35) for j in range(35)):
        bucket = int(hashes["buckets"][0, i] + hashes["buckets"][1, j]) % 50
        expected[0, bucket] += gram_matrix[i, j] * int(hashes["signs"][0, i] * hashes["signs"][1, j])
    set_threads(threads)

    assert_near(compact_bilinear_pool(x, **hashes), expected, dtype)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("N", [1, 4])
def test_the_number_of_threads_changes_no_result(N, threads, set_threads):
    x, hashes = inputs(N, 70, 50, 64)
    expected, gradient = compact_bilinear_pool(x, **hashes), gradient_of(x, compact_bilinear_pool, **hashes)

    set_threads(threads)

    torch.testing.assert_close(compact_bilinear_pool(x, **hashes), expected, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(gradient_of(x, compact_bilinear_pool, **hashes), gradient)


@pytest.mark.parametrize("signs", [torch.int64, torch.float64, torch.bfloat16], ids=str)
def test_signs_may_have_any_dtype_and_buckets_any_value(signs):
    x, hashes = inputs(2, 5, 9, 7)
    changed = {"buckets": hashes["buckets"] - 7 * 3, "signs": hashes["signs"].to(signs), "dim": 7}

    torch.testing.assert_close(compact_bilinear_pool(x, **changed), compact_bilinear_pool(x, **hashes))
    gradient = gradient_of(x, compact_bilinear_pool, **changed)
    torch.testing.assert_close(gradient, gradient_of(x, compact_bilinear_pool, **hashes))


def test_strides_do_not_change_values_or_gradient():
    x, hashes = inputs(3, 9, 12, 32)
    expected, gradient = compact_bilinear_pool(x, **hashes), gradient_of(x, compact_bilinear_pool, **hashes)

    def channels_last(x: Tensor, **hashes) -> Tensor:
        x = x.unflatten(2, (3, 4)).contiguous(memory_format=torch.channels_last)
        return compact_bilinear_pool(x, **hashes)

    torch.testing.assert_close(channels_last(x, **hashes), expected)
    torch.testing.assert_close(gradient_of(x, channels_last, **hashes), gradient)
    expanded = x[:1].expand(3, -1, -1)
    torch.testing.assert_close(compact_bilinear_pool(expanded, **hashes), expected[:1].expand(3, -1))


def test_a_batch_in_many_portions_equals_one_portion(monkeypatch):
    x, hashes = inputs(5, 8, 6, 16)
    expected, gradient = compact_bilinear_pool(x, **hashes), gradient_of(x, compact_bilinear_pool, **hashes)
    monkeypatch.setattr(gram, "GRAM_BYTES", 2 * 8 * 8 * 4)

    torch.testing.assert_close(compact_bilinear_pool(x, **hashes), expected)
    torch.testing.assert_close(gradient_of(x, compact_bilinear_pool, **hashes), gradient)


def test_products_beyond_float16_do_not_overflow(assert_near):
    x, hashes = inputs(2, 9, 50, 32)
    x = (x * 1e4).half()

    assert_near(compact_bilinear_pool(x, **hashes), oracle(x, **hashes), torch.float16)


@pytest.mark.usefixtures("poisoned_memory")
def test_every_value_is_written():
    x, hashes = inputs(3, 75, 41, 500)

    assert compact_bilinear_pool(x, **hashes).isfinite().all()
    assert gradient_of(x, compact_bilinear_pool, **hashes).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_a_gradient_halfway_between_two_values_is_rounded_to_the_even_one(dtype):
    # One channel in one bucket: the gradient is twice that of the sketch at every position, in vectors and after them.
    x = torch.ones(1, 1, 37, dtype=dtype)
    hashes = {"buckets": torch.zeros(2, 1).long(), "signs": torch.ones(2, 1), "dim": 1}
    halves = 1 + torch.arange(1, 8, 2) * torch.finfo(dtype).eps / 2

    for halfway in halves:
        x = x.detach().requires_grad_()
        compact_bilinear_pool(x, **hashes).backward(halfway.view(1, 1) / 2)
        assert torch.equal(x.grad, halfway.to(dtype).expand_as(x))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_channels_that_are_alike_have_the_same_gradient(dtype):
    # The gradient of a bucket, which is no bfloat16, is rounded alike above and below the diagonal of tiles.
    x = torch.ones(1, 70, 3, dtype=dtype, requires_grad=True)
    hashes = {"buckets": torch.zeros(2, 70).long(), "signs": torch.ones(2, 70), "dim": 1}

    sketch = compact_bilinear_pool(x, **hashes)
    sketch.backward(torch.full_like(sketch, 0.5 + 3 / 2**10))

    assert torch.equal(x.grad, x.grad[:, :1, :1].expand_as(x))
