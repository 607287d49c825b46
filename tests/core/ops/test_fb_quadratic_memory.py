"""The memory of `fb_quadratic`: what a call holds at a time, and which products it keeps for the backward."""

import importlib

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from birdnet_cli.core.ops import fb_quadratic

MODULE = importlib.import_module("birdnet_cli.core.ops.fb_quadratic")


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def gradients_of(x: Tensor, weight: Tensor, **settings) -> tuple[Tensor, ...]:
    x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()
    return torch.autograd.grad(fb_quadratic(x, weight, **settings).sum(), (x, weight))


def peak_bytes(function) -> int:
    """The most memory that a call holds at a time beyond what it found, in bytes."""
    function()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        result = function()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    del result
    return peak


@pytest.mark.usefixtures("implementation")
def test_temporary_memory_stays_below_a_quarter_of_that_of_all_products():
    x, weight = draw(32, 256, 8, 8), draw(100, 20, 256, 1, 1, seed=1)
    products = 100 * 20 * 32 * 64 * 4
    out = 32 * 100 * 64 * 4

    assert peak_bytes(lambda: fb_quadratic(x, weight, diagonal=False)) - out < products / 4


@pytest.mark.usefixtures("implementation")
def test_memory_of_training_with_dropped_factors_stays_below_a_quarter_of_that_of_all_products():
    x, weight = draw(32, 256, 8, 8), draw(100, 20, 256, 1, 1, seed=1)
    scale = torch.tensor([2.0, 0.0] * 10)
    products = 100 * 20 * 32 * 64 * 4
    result = 4 * (x.numel() + weight.numel() + 32 * 100 * 64)

    assert peak_bytes(lambda: gradients_of(x, weight, diagonal=False, scale=scale)) - result < products / 4


def test_memory_of_training_with_kept_products_is_theirs_and_a_quarter_more():
    x, weight = draw(32, 256, 8, 8), draw(100, 20, 256, 1, 1, seed=1)
    products = 100 * 20 * 32 * 64 * 4
    result = 4 * (x.numel() + weight.numel() + 32 * 100 * 64)

    assert peak_bytes(lambda: gradients_of(x, weight, diagonal=False)) - result < 1.25 * products


@pytest.mark.usefixtures("implementation")
def test_products_are_kept_for_the_backward_only_as_far_as_they_fit(monkeypatch):
    x, weight = draw(4, 8, 4, 4).requires_grad_(), draw(6, 5, 8, 1, 1, seed=1)
    products = 6 * 5 * 4 * 16 * 4

    def kept(budget: int, **settings) -> bool:
        monkeypatch.setattr(MODULE, "KEEP_BYTES", budget)
        form = fb_quadratic(x, weight, diagonal=True, **settings)
        return any(getattr(saved, "shape", None) == (6, 5, 64) for saved in form.grad_fn.saved_tensors)

    assert kept(products)
    assert not kept(products - 1)
    assert not kept(products, scale=torch.ones(5))
