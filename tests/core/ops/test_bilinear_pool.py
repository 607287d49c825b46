"""Values and gradients of `bilinear_pool` against a float64 oracle, in the reference and in every instruction set."""

import math

import pytest
import torch
from torch import Tensor

from birdnet_cli.core.errors import NumericsError
from birdnet_cli.core.ops import bilinear_pool, gram

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
SHAPES = ((1, 1, 1), (2, 1, 6), (3, 7, 1), (2, 5, 4), (2, 19, 11), (1, 47, 25), (3, 81, 34))

pytestmark = pytest.mark.usefixtures("instruction_set")


def oracle(x: Tensor, *, packed: bool) -> Tensor:
    """Values by the definition, in float64; differentiable, zero at zero."""
    x = x.double()
    rows = []
    for image in x:
        C = image.shape[0]
        products = (image[:, None] * image).sum(2).flatten() if image.shape[1] < 100 else (image @ image.T).flatten()
        zero = products == 0
        root = torch.where(zero, 0.0, products.sign() * torch.where(zero, 1.0, products.abs()).sqrt())
        unit = root / root.norm() if bool(root.any()) else root * 0
        kept = [(i, j) for i in range(C) for j in range(i if packed else 0, C)]
        factors = torch.tensor([math.sqrt(2) if packed and i != j else 1.0 for i, j in kept], dtype=torch.float64)
        rows.append(unit[[i * C + j for i, j in kept]] * factors)
    return torch.stack(rows)


def feature_map(*shape: int, dtype: torch.dtype = torch.float32, nonnegative: bool = False, seed: int = 0) -> Tensor:
    # Signed values are multiples of 1/4, so that every sum of products is exact in float32: a signed product that comes
    # out near 0 by cancellation has an ill-conditioned gradient, and no dtype but float64 would agree with the oracle.
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (x.abs() if nonnegative else (x * 4).round() / 4).to(dtype)


def gradient_of(x: Tensor, function) -> Tensor:
    x = x.detach().requires_grad_()
    y = function(x)
    upstream = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (y * upstream.to(y.dtype)).sum().backward()
    assert x.grad is not None
    return x.grad


@pytest.mark.pairwise
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "full"])
@pytest.mark.parametrize("nonnegative", [True, False], ids=["nonnegative", "signed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_values_and_gradient_equal_the_oracle(dtype, shape, nonnegative, packed, assert_near):
    x = feature_map(*shape, dtype=dtype, nonnegative=nonnegative)

    descriptor = bilinear_pool(x, nonnegative=nonnegative, packed=packed)
    gradient = gradient_of(x, lambda x: bilinear_pool(x, nonnegative=nonnegative, packed=packed))

    assert descriptor.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert gradient.dtype == dtype
    assert_near(descriptor, oracle(x, packed=packed), dtype)
    # The largest gradient of the oracle is tiny where the exact one is 0 (one channel: u is always 1).
    expected = gradient_of(x.double(), lambda x: oracle(x, packed=packed))
    if shape[1] > 1:
        assert_near(gradient, expected, dtype, gradient=True)
    else:
        assert gradient.abs().amax() < 1e-5


@pytest.mark.pairwise
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "full"])
@pytest.mark.parametrize("nonnegative", [True, False], ids=["nonnegative", "signed"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_more_positions_than_are_summed_at_once_equal_the_oracle(
    dtype, threads, nonnegative, packed, assert_near, set_threads
):
    # The kernels sum over 2,048 to 8,192 positions at a time where there are two rows of tiles, by dtype.
    x = feature_map(1, 35, 9001, dtype=dtype, nonnegative=nonnegative)
    set_threads(threads)

    descriptor = bilinear_pool(x, nonnegative=nonnegative, packed=packed)

    assert_near(descriptor, oracle(x, packed=packed), dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_more_channels_and_positions_than_are_multiplied_at_once_have_the_gradient_of_the_oracle(dtype, assert_near):
    # The kernels multiply 256 channels at a time, and keep 96 to 384 positions of 300 channels packed, by dtype.
    x = feature_map(1, 300, 400, dtype=dtype, nonnegative=True)

    gradient = gradient_of(x, lambda x: bilinear_pool(x, nonnegative=True))

    assert_near(gradient, gradient_of(x.double(), lambda x: oracle(x, packed=True)), dtype, gradient=True)


@pytest.mark.pairwise
@pytest.mark.parametrize("threads", [1, 3, 5])
@pytest.mark.parametrize("N", [1, 2, 4])
@pytest.mark.parametrize("nonnegative", [True, False], ids=["nonnegative", "signed"])
def test_the_number_of_threads_changes_no_result(nonnegative, N, threads, set_threads):
    x = feature_map(N, 70, 50, nonnegative=nonnegative)
    expected = bilinear_pool(x, nonnegative=nonnegative)
    gradient = gradient_of(x, lambda x: bilinear_pool(x, nonnegative=nonnegative))

    set_threads(threads)

    torch.testing.assert_close(bilinear_pool(x, nonnegative=nonnegative), expected)
    torch.testing.assert_close(gradient_of(x, lambda x: bilinear_pool(x, nonnegative=nonnegative)), gradient)


def test_bilinear_of_one_location_is_its_outer_product():
    x = torch.tensor([[[3.0], [-4.0]]])

    full = bilinear_pool(x, packed=False)[0].view(2, 2)

    outer = x[0] @ x[0].T
    torch.testing.assert_close(full, outer.sign() * outer.abs().sqrt() / outer.abs().sum().sqrt())


def test_every_descriptor_has_unit_norm():
    norms = bilinear_pool(feature_map(4, 19, 9)).norm(dim=1)

    torch.testing.assert_close(norms, torch.ones(4))


def test_packing_preserves_inner_products():
    x = feature_map(6, 13, 10)
    packed, full = bilinear_pool(x), bilinear_pool(x, packed=False)

    assert packed.shape == (6, 91)
    assert full.shape == (6, 169)
    torch.testing.assert_close(packed @ packed.T, full @ full.T)


def test_packed_values_are_the_upper_triangle_row_by_row():
    x = feature_map(1, 3, 5)
    packed, full = bilinear_pool(x)[0], bilinear_pool(x, packed=False)[0].view(3, 3)

    root2 = math.sqrt(2)
    expected = [full[0, 0], full[0, 1] * root2, full[0, 2] * root2, full[1, 1], full[1, 2] * root2, full[2, 2]]
    torch.testing.assert_close(packed, torch.stack(expected))


STRIDES = {
    "four dimensions": lambda x: x.unflatten(2, (5, 7)),
    "channels_last": lambda x: x.unflatten(2, (5, 7)).contiguous(memory_format=torch.channels_last),
    "transposed": lambda x: x.mT.contiguous().mT,
    "every second position": lambda x: x.repeat_interleave(2, dim=2)[:, :, ::2],
    "batch last": lambda x: x.permute(1, 2, 0).contiguous().permute(2, 0, 1),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("arrange", STRIDES.values(), ids=STRIDES)
def test_strides_do_not_change_values_or_gradient(arrange, dtype):
    # The forward packs rows of 35 positions, the backward rows of 38 channels: an odd and an even number.
    x = feature_map(3, 38, 35, dtype=dtype)

    torch.testing.assert_close(bilinear_pool(arrange(x)), bilinear_pool(x))
    gradient = gradient_of(x, lambda x: bilinear_pool(arrange(x)))
    torch.testing.assert_close(gradient, gradient_of(x, bilinear_pool))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("arrange", STRIDES.values(), ids=STRIDES)
def test_what_an_earlier_map_left_in_memory_does_not_count(arrange, dtype, assert_near):
    # Both need as much scratch memory; the later one uses less of it, and its norm is a sum over all that was packed.
    gradient_of(torch.full((4, 64, 35), torch.nan, dtype=dtype), lambda x: bilinear_pool(x, nonnegative=True))
    x = feature_map(4, 37, 35, dtype=dtype, nonnegative=True)

    assert_near(bilinear_pool(arrange(x), nonnegative=True), oracle(x, packed=True), dtype)
    gradient = gradient_of(x, lambda x: bilinear_pool(arrange(x), nonnegative=True))
    assert_near(gradient, gradient_of(x.double(), lambda x: oracle(x, packed=True)), dtype, gradient=True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_a_gradient_in_half_precision_is_the_float32_gradient_rounded_to_nearest(dtype, instruction_set):
    if instruction_set == "avx512_bf16" and dtype == torch.bfloat16:
        pytest.skip("needs products in float32; here they are in bfloat16, by design")
    x = feature_map(2, 37, 35, dtype=dtype)

    assert torch.equal(gradient_of(x, bilinear_pool), gradient_of(x.float(), bilinear_pool).to(dtype))


def test_an_expanded_map_equals_its_copy():
    x = feature_map(1, 9, 12).expand(3, -1, -1)

    torch.testing.assert_close(bilinear_pool(x), bilinear_pool(x.contiguous()))
    torch.testing.assert_close(gradient_of(x, bilinear_pool), gradient_of(x.contiguous(), bilinear_pool))


def test_a_batch_in_many_portions_equals_one_portion(monkeypatch):
    x = feature_map(5, 8, 6)
    whole, gradient = bilinear_pool(x), gradient_of(x, bilinear_pool)
    monkeypatch.setattr(gram, "GRAM_BYTES", 2 * 8 * 8 * 4)

    assert [(part.start, part.stop) for part in gram.image_portions(x)] == [(0, 2), (2, 4), (4, 5)]
    torch.testing.assert_close(bilinear_pool(x), whole)
    torch.testing.assert_close(gradient_of(x, bilinear_pool), gradient)


def test_dead_channels_give_exact_zeros_and_finite_gradients():
    x = feature_map(2, 6, 5, nonnegative=True)
    x[:, [1, 4]] = 0

    full = bilinear_pool(x, nonnegative=True, packed=False).view(2, 6, 6)
    gradient = gradient_of(x, lambda x: bilinear_pool(x, nonnegative=True))

    assert not full[:, [1, 4]].any()
    assert not full[:, :, [1, 4]].any()
    assert not gradient[:, [1, 4]].any()
    assert gradient.isfinite().all()
    torch.testing.assert_close(gradient, gradient_of(x.double(), lambda x: oracle(x, packed=True)).float())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("nonnegative", [True, False], ids=["nonnegative", "signed"])
def test_products_beyond_float16_do_not_overflow(nonnegative, dtype, assert_near):
    x = (feature_map(2, 9, 50, nonnegative=nonnegative) * 1e4).to(dtype)

    assert_near(bilinear_pool(x, nonnegative=nonnegative), oracle(x, packed=True), dtype)


@pytest.mark.parametrize("position", [7, 8])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_negative_value_is_named_in_every_dtype(dtype, position):
    # Pairs of bfloat16 hold an even and an odd position.
    x = feature_map(2, 40, 9, dtype=dtype, nonnegative=True)
    x[1, 39, position] = -1e-3

    with pytest.raises(NumericsError, match=r"image 1 of the batch goes down to -0\.00(1|0999\d*|100\d*);"):
        bilinear_pool(x, nonnegative=True)
