"""Values and gradients of `fb_quadratic` against a float64 loop over positions, for every combination of settings."""

import importlib
import itertools

import pytest
import torch
from torch import Tensor

from birdnet_cli.core.ops import fb_quadratic, fb_quadratic_reference

MODULE = importlib.import_module("birdnet_cli.core.ops.fb_quadratic")
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
# x's shape, weight's shape, geometry.
CONVOLUTIONS = {
    "1x1": ((3, 5, 4, 3), (7, 3, 5, 1, 1), {}),
    "two channels, else one": ((1, 2, 1, 1), (1, 1, 2, 1, 1), {}),
    "1x1 of 67 channels": ((2, 67, 5, 7), (9, 20, 67, 1, 1), {}),
    # The kernels multiply 256 channels, or positions, at a time.
    "1x1 of 300 channels": ((2, 300, 13, 11), (2, 3, 300, 1, 1), {}),
    "1x1 strided": ((2, 4, 7, 6), (3, 2, 4, 1, 1), {"stride": (2, 3)}),
    "1x1 padded": ((2, 4, 3, 2), (3, 2, 4, 1, 1), {"padding": 1}),
    "1x2 on one padded row": ((1, 2, 1, 6), (2, 2, 2, 1, 2), {"padding": (0, 1)}),
    "3x2": ((2, 3, 6, 5), (4, 2, 3, 3, 2), {}),
    "strided": ((2, 3, 8, 7), (4, 2, 3, 3, 3), {"stride": (2, 1), "padding": (1, 0)}),
    "dilated": ((2, 3, 9, 8), (4, 2, 3, 3, 2), {"dilation": (2, 3), "padding": 2}),
    "grouped": ((2, 6, 5, 4), (4, 3, 3, 2, 2), {"groups": 2}),
    # The kernels sum over 256 factors at a time, or 64 for each thread.
    "600 factors in two groups": ((2, 4, 3, 2), (6, 100, 2, 1, 1), {"groups": 2}),
    "depthwise": ((2, 4, 5, 5), (8, 2, 1, 3, 3), {"groups": 4, "padding": 1, "stride": 2}),
    "all at once": ((3, 6, 11, 9), (9, 2, 2, 3, 2), {"groups": 3, "stride": (3, 2), "padding": (2, 1), "dilation": 2}),
}
SCALES = ("none", "batch", "sample")


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def draw_scale(kind: str, N: int, K: int) -> Tensor | None:
    """As DropFactor's, with a factor that is dropped, but of different values."""
    if kind == "none":
        return None
    scale = draw(*((K,) if kind == "batch" else (N, K)), seed=3).abs()
    scale.view(-1)[K // 2] = 0
    return scale


def oracle(
    x: Tensor, weight: Tensor, *, diagonal: bool, scale: Tensor | None = None, stride=1, padding=0, dilation=1, groups=1
) -> Tensor:
    """One output at one position at a time, in float64; differentiable."""
    x, weight = x.double(), weight.double()
    if x.dim() == 2:
        form = oracle(x[..., None, None], weight[..., None, None], diagonal=diagonal, scale=scale)
        return form.flatten(1)
    (N, C, H, W), (outputs, K, channels, kh, kw) = x.shape, weight.shape
    (sv, sh), (pv, ph), (dv, dh) = (
        size if isinstance(size, tuple) else (size, size) for size in (stride, padding, dilation)
    )
    padded = torch.zeros(N, C, H + 2 * pv, W + 2 * ph, dtype=torch.float64)
    padded[:, :, pv : pv + H, ph : ph + W] = x
    s = torch.ones(K, dtype=torch.float64) if scale is None else scale.double()
    rows = []
    for top, left in itertools.product(
        range(0, H + 2 * pv - dv * (kh - 1), sv), range(0, W + 2 * ph - dh * (kw - 1), sh)
    ):
        for o in range(outputs):
            first = o // (outputs // groups) * channels
            seen = padded[
                :, first : first + channels, top : top + dv * (kh - 1) + 1 : dv, left : left + dh * (kw - 1) + 1 : dh
            ].flatten(1)  # [N, D]
            f = weight[o].flatten(1)  # [K, D]
            square = (seen @ f.T) ** 2  # [N, K]
            rows.append((s * (square if diagonal else square - seen**2 @ (f.T) ** 2)).sum(1))
    h = len(range(0, H + 2 * pv - dv * (kh - 1), sv))
    return torch.stack(rows, 1).view(N, h, -1, outputs).permute(0, 3, 1, 2)


def gradients_of(function, x: Tensor, weight: Tensor, **settings) -> tuple[Tensor, ...]:
    x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()
    y = function(x, weight, **settings)
    upstream = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return torch.autograd.grad((y * upstream.to(y.dtype)).sum(), (x, weight))


def check(assert_near, x: Tensor, weight: Tensor, **settings) -> None:
    form = fb_quadratic(x, weight, **settings)
    gradients = gradients_of(fb_quadratic, x, weight, **settings)

    assert form.dtype == (torch.float64 if x.dtype == torch.float64 else torch.float32)
    assert_near(form, oracle(x, weight, **settings), x.dtype)
    expected = gradients_of(oracle, x.double(), weight.double(), **settings)
    for gradient, reference in zip(gradients, expected, strict=True):
        assert gradient.dtype == x.dtype
        assert_near(gradient, reference, x.dtype, gradient=True)


@pytest.mark.usefixtures("implementation")
@pytest.mark.pairwise
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("diagonal", [True, False], ids=["diagonal", "off-diagonal"])
@pytest.mark.parametrize("convolution", CONVOLUTIONS)
def test_values_and_gradients_equal_the_loop(convolution, diagonal, scale, assert_near):
    x_shape, weight_shape, geometry = CONVOLUTIONS[convolution]
    settings = {"diagonal": diagonal, "scale": draw_scale(scale, x_shape[0], weight_shape[1]), **geometry}

    check(assert_near, draw(*x_shape), draw(*weight_shape, seed=2), **settings)


@pytest.mark.usefixtures("implementation")
@pytest.mark.pairwise
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("diagonal", [True, False], ids=["diagonal", "off-diagonal"])
@pytest.mark.parametrize("shape", [(1, 2, 1, 1), (5, 7, 3, 2), (33, 19, 11, 20)], ids=str)
def test_the_fully_connected_form_equals_the_loop(shape, diagonal, scale, assert_near):
    N, C, outputs, K = shape

    check(assert_near, draw(N, C), draw(outputs, K, C, seed=2), diagonal=diagonal, scale=draw_scale(scale, N, K))


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("convolution", ["1x1 of 67 channels", "all at once"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_is_accumulated_in_float32_or_wider(dtype, convolution, assert_near):
    x_shape, weight_shape, geometry = CONVOLUTIONS[convolution]
    x, weight = draw(*x_shape, dtype=dtype), draw(*weight_shape, seed=2, dtype=dtype)

    check(assert_near, x, weight, diagonal=False, **geometry)


@pytest.mark.usefixtures("implementation")
@pytest.mark.parametrize("convolution", ["1x1", "all at once"])
@pytest.mark.parametrize(("diagonal", "scale"), list(itertools.product((True, False), SCALES)))
def test_gradients_equal_finite_differences(convolution, diagonal, scale):
    x_shape, weight_shape, geometry = CONVOLUTIONS[convolution]
    settings = {"diagonal": diagonal, "scale": draw_scale(scale, x_shape[0], weight_shape[1]), **geometry}
    if settings["scale"] is not None:
        settings["scale"] = settings["scale"].double()
    x = draw(*x_shape, dtype=torch.float64).requires_grad_()
    weight = draw(*weight_shape, seed=2, dtype=torch.float64).requires_grad_()

    assert torch.autograd.gradcheck(lambda x, weight: fb_quadratic(x, weight, **settings), (x, weight), fast_mode=True)


def test_the_form_is_the_squared_length_of_the_projection():
    x, F = draw(1, 6), draw(1, 3, 6, seed=2)

    form = fb_quadratic(x, F, diagonal=True)

    torch.testing.assert_close(form[0, 0], (F[0] @ x[0]).square().sum())


def test_without_the_diagonal_one_channel_gives_nothing():
    x, F = draw(4, 1), draw(2, 3, 1, seed=2)

    torch.testing.assert_close(fb_quadratic(x, F, diagonal=False), torch.zeros(4, 2), rtol=0, atol=1e-6)


@pytest.mark.parametrize("diagonal", [True, False], ids=["diagonal", "off-diagonal"])
def test_rotating_the_factors_changes_nothing(diagonal):
    x, F = draw(3, 8, 2, 2), draw(4, 5, 8, 1, 1, seed=2)
    Q, _ = torch.linalg.qr(draw(5, 5, seed=4))

    rotated = torch.einsum("jk,okcab->ojcab", Q, F)

    torch.testing.assert_close(
        fb_quadratic(x, rotated, diagonal=diagonal), fb_quadratic(x, F, diagonal=diagonal), rtol=1e-4, atol=1e-4
    )


@pytest.mark.usefixtures("implementation")
@pytest.mark.pairwise
@pytest.mark.parametrize("keep", [True, False], ids=["products kept", "products computed again"])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("convolution", ["1x1 of 67 channels", "grouped", "all at once"])
def test_many_portions_equal_one_portion(convolution, scale, keep, assert_near, monkeypatch):
    x_shape, weight_shape, geometry = CONVOLUTIONS[convolution]
    x, weight = draw(*x_shape), draw(*weight_shape, seed=2)
    settings = {"diagonal": False, "scale": draw_scale(scale, x_shape[0], weight_shape[1]), **geometry}
    expected = fb_quadratic(x, weight, **settings), *gradients_of(fb_quadratic, x, weight, **settings)
    monkeypatch.setattr(MODULE, "KEEP_BYTES", 2**30 if keep else -1)
    monkeypatch.setattr(fb_quadratic_reference, "ROWS", 1)
    monkeypatch.setattr(fb_quadratic_reference, "CACHE_BYTES", 8 * x_shape[0] * weight_shape[1])

    portions = fb_quadratic(x, weight, **settings), *gradients_of(fb_quadratic, x, weight, **settings)

    for portion, reference in zip(portions, expected, strict=True):
        assert_near(portion, reference.double(), x.dtype)


@pytest.mark.usefixtures("implementation")
@pytest.mark.parametrize("groups", [1, 2])
def test_kept_products_of_many_classes_give_the_gradients_of_those_computed_again(groups, monkeypatch):
    # Several blocks of factors, which begin within a tile, by more positions than one has.
    x, weight = draw(3, 300 * groups, 5, 7), draw(26 * groups, 9, 300, 1, 1, seed=2)

    def gradients(budget: int):
        monkeypatch.setattr(MODULE, "KEEP_BYTES", budget)
        return gradients_of(fb_quadratic, x, weight, diagonal=False, groups=groups)

    torch.testing.assert_close(gradients(2**30), gradients(-1), rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("implementation")
@pytest.mark.parametrize("wanted", ["x", "weight"])
@pytest.mark.parametrize("keep", [True, False], ids=["products kept", "products computed again"])
def test_one_gradient_alone_equals_that_of_both(keep, wanted, monkeypatch):
    monkeypatch.setattr(MODULE, "KEEP_BYTES", 2**30 if keep else -1)
    x, weight = draw(2, 6, 3, 4), draw(5, 2, 6, 1, 1, seed=2)
    both = dict(zip(("x", "weight"), gradients_of(fb_quadratic, x, weight, diagonal=False), strict=True))
    inputs = {"x": x, "weight": weight}
    inputs[wanted] = inputs[wanted].clone().requires_grad_()
    form = fb_quadratic(**inputs, diagonal=False)
    upstream = torch.randn(form.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    (gradient,) = torch.autograd.grad((form * upstream.float()).sum(), inputs[wanted])

    torch.testing.assert_close(gradient, both[wanted])
