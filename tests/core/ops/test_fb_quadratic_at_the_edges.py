"""`fb_quadratic` where shapes end, values overflow, factors are dropped, or the caller errs."""

import importlib

import pytest
import torch
from torch import Tensor

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.ops import fb_quadratic

MODULE = importlib.import_module("birdnet_cli.core.ops.fb_quadratic")

pytestmark = pytest.mark.usefixtures("implementation")


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def gradients_of(x: Tensor, weight: Tensor, **settings) -> tuple[Tensor, ...]:
    x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()
    return torch.autograd.grad(fb_quadratic(x, weight, **settings).sum(), (x, weight))


@pytest.mark.parametrize("diagonal", [True, False], ids=["diagonal", "off-diagonal"])
def test_an_empty_batch_gives_no_values_and_empty_or_zero_gradients(diagonal):
    x, weight = torch.zeros(0, 4, 3, 3), draw(5, 2, 4, 1, 1)

    assert fb_quadratic(x, weight, diagonal=diagonal).shape == (0, 5, 3, 3)
    x_grad, weight_grad = gradients_of(x, weight, diagonal=diagonal)
    assert x_grad.shape == x.shape
    assert torch.equal(weight_grad, torch.zeros_like(weight))


@pytest.mark.parametrize("diagonal", [True, False], ids=["diagonal", "off-diagonal"])
def test_without_factors_the_form_is_zero(diagonal):
    x, weight = draw(2, 4, 3, 3), torch.zeros(5, 0, 4, 1, 1)

    assert torch.equal(fb_quadratic(x, weight, diagonal=diagonal), torch.zeros(2, 5, 3, 3))
    assert torch.equal(gradients_of(x, weight, diagonal=diagonal)[0], torch.zeros_like(x))


@pytest.mark.parametrize("kind", ["batch", "sample"])
@pytest.mark.parametrize("diagonal", [True, False], ids=["diagonal", "off-diagonal"])
def test_if_every_factor_is_dropped_values_and_gradients_are_zero(diagonal, kind):
    x, weight = draw(2, 4, 3, 3), draw(5, 3, 4, 1, 1, seed=1)
    scale = torch.zeros(3) if kind == "batch" else torch.zeros(2, 3)

    assert not fb_quadratic(x, weight, diagonal=diagonal, scale=scale).any()
    assert not any(gradient.any() for gradient in gradients_of(x, weight, diagonal=diagonal, scale=scale))


def test_a_factor_dropped_for_the_batch_does_not_matter_even_if_it_is_not_finite():
    x, weight = draw(2, 4, 3, 3), draw(5, 3, 4, 1, 1, seed=1)
    broken = weight.clone()
    broken[:, 1] = torch.nan
    scale = torch.tensor([2.0, 0.0, 1.0])

    torch.testing.assert_close(
        fb_quadratic(x, broken, diagonal=False, scale=scale), fb_quadratic(x, weight, diagonal=False, scale=scale)
    )


def test_a_sample_that_is_not_finite_spoils_no_other():
    x, weight = draw(3, 4, 2, 2), draw(5, 3, 4, 1, 1, seed=1)
    healthy = fb_quadratic(x, weight, diagonal=True)
    x[1, 2, 0, 1] = torch.inf

    form = fb_quadratic(x, weight, diagonal=True)

    assert not form[1, :, 0, 1].isfinite().any()
    torch.testing.assert_close(form[[0, 2]], healthy[[0, 2]])


def test_squares_beyond_float16_do_not_overflow():
    x, weight = draw(2, 9, 3, 3), draw(4, 5, 9, 1, 1, seed=1)

    half = fb_quadratic((x * 100).half(), (weight * 100).half(), diagonal=True)

    assert half.max() > torch.finfo(torch.float16).max
    torch.testing.assert_close(half, fb_quadratic(x * 100, weight * 100, diagonal=True), rtol=5e-3, atol=0)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("layout", ["channels_last", "expanded", "transposed", "sliced"])
def test_strides_change_neither_values_nor_gradients(layout, padding):
    x, weight = draw(3, 6, 4, 5), draw(7, 3, 6, 1, 1, seed=1)
    x = {
        "channels_last": x.contiguous(memory_format=torch.channels_last),
        "expanded": x[:1].expand(3, -1, -1, -1),
        "transposed": draw(3, 6, 5, 4).mT,
        "sliced": draw(3, 12, 4, 10)[:, ::2, :, ::2],
    }[layout]
    weight_view = draw(3, 7, 6, 1, 1, seed=2).transpose(0, 1)
    settings = {"diagonal": False, "padding": padding}

    for chosen in (weight, weight_view):
        expected = fb_quadratic(x.contiguous(), chosen.contiguous(), **settings)
        torch.testing.assert_close(fb_quadratic(x, chosen, **settings), expected)
        gradients = gradients_of(x.contiguous(), chosen.contiguous(), **settings)
        torch.testing.assert_close(gradients_of(x, chosen, **settings), gradients, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("keep", [True, False], ids=["products kept", "products computed again"])
@pytest.mark.parametrize("geometry", [{}, {"stride": 3}, {"stride": 3, "padding": 1, "dilation": 2}], ids=str)
def test_every_value_is_written(geometry, keep, monkeypatch):
    monkeypatch.setattr(MODULE, "KEEP_BYTES", 2**30 if keep else -1)
    assert torch.empty(1).isnan()
    side = 1 if geometry in ({}, {"stride": 3}) else 2
    x, weight = draw(3, 11, 7, 8), draw(5, 3, 11, side, side, seed=1)

    assert fb_quadratic(x, weight, diagonal=False, **geometry).isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients_of(x, weight, diagonal=False, **geometry))


@pytest.mark.parametrize(
    ("x", "weight", "settings", "message"),
    [
        ((2, 4, 3), (5, 2, 4), {}, r"a map \[N, C, H, W\] with a weight \[O, K, C/groups, kh, kw\].*got 3 and 3"),
        ((2, 4, 3, 3), (5, 2, 4), {}, "got 4 and 3 dimensions"),
        ((2, 4), (5, 2, 4, 1, 1), {}, "got 2 and 5 dimensions"),
        ((2, 4, 3, 3), (5, 2, 3, 1, 1), {}, r"4 channels in 1 groups and a weight \(5, 2, 3, 1, 1\) do not fit"),
        ((2, 4, 3, 3), (5, 2, 2, 1, 1), {"groups": 2}, "groups divides C and O"),
        ((2, 4, 3, 3), (6, 2, 1, 1, 1), {"groups": 3}, "do not fit"),
        ((2, 0, 3, 3), (6, 2, 0, 1, 1), {}, "do not fit"),
        ((2, 4, 3, 3), (6, 2, 4, 0, 1), {}, "do not fit"),
        ((2, 4, 3, 3), (6, 2, 4, 4, 1), {}, r"the kernel \(4, 1\) does not fit into the padded map of 3 x 3"),
        ((2, 4, 3, 3), (6, 2, 4, 2, 2), {"dilation": 3}, r"the kernel \(2, 2\) does not fit"),
        ((2, 4, 3, 3), (6, 2, 4, 1, 1), {"stride": 0}, r"stride, dilation and groups of at least 1.*stride \(0, 0\)"),
        ((2, 4, 3, 3), (6, 2, 4, 1, 1), {"padding": (0, -1)}, r"padding of at least 0, got .*padding \(0, -1\)"),
        ((2, 4, 3, 3), (6, 2, 4, 1, 1), {"groups": 0}, "groups 0"),
    ],
)
def test_shapes_and_settings_that_do_not_fit_are_refused(x, weight, settings, message):
    with pytest.raises(UsageError, match=message):
        fb_quadratic(torch.zeros(x), torch.zeros(weight), diagonal=True, **settings)


@pytest.mark.parametrize(
    ("x", "weight"),
    [(torch.int64, torch.int64), (torch.float32, torch.float64), (torch.bfloat16, torch.float32)],
    ids=str,
)
def test_dtypes_that_do_not_fit_are_refused(x, weight):
    with pytest.raises(UsageError, match=f"got {x} on cpu and {weight} on cpu"):
        fb_quadratic(torch.zeros(2, 4, dtype=x), torch.zeros(5, 2, 4, dtype=weight), diagonal=True)


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (torch.ones(4), r"a floating point scale of shape \(3,\) or \(2, 3\) on cpu, got torch.float32 \(4,\)"),
        (torch.ones(3, 2), r"got torch.float32 \(3, 2\)"),
        (torch.ones(3, dtype=torch.bool), r"got torch.bool \(3,\)"),
        (torch.ones(3, requires_grad=True), r"no gradient of its scale; pass scale.detach\(\)"),
    ],
    ids=["too long", "turned", "a mask of bools", "wants a gradient"],
)
def test_a_scale_that_does_not_fit_is_refused(scale, message):
    with pytest.raises(UsageError, match=message):
        fb_quadratic(torch.zeros(2, 4), torch.zeros(5, 3, 4), diagonal=True, scale=scale)
