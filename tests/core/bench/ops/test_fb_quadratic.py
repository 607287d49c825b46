"""Ways to write the Factorized Bilinear form: they are one function."""

import pytest
import torch

from birdnet_cli.core.bench.ops.fb_quadratic import fb_contenders, replicated_bytes

CPU = torch.device("cpu")


def contenders():
    # Compiling takes a compiler, and seconds.
    return {name: run for name, run in fb_contenders(7, CPU, classes=5, factors=4).items() if name != "compile"}


@pytest.mark.parametrize("name", ["fbn", "loop", "replicate"])
def test_contenders_agree_in_value_and_gradient(name):
    x = torch.randn(3, 7, 6, generator=torch.Generator().manual_seed(0))
    results = []
    for which in ("eager", name):
        leaf = x.clone().requires_grad_()
        form = contenders()[which](leaf)
        form.square().sum().backward()
        results.append((form.detach(), leaf.grad))

    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)


def test_dropping_every_second_factor_doubles_the_others():
    x = torch.randn(3, 7, 6, generator=torch.Generator().manual_seed(0))
    single = fb_contenders(7, CPU, classes=5, factors=1)

    torch.testing.assert_close(single["fbn-drop"](x), 2 * single["fbn"](x))


def test_a_map_without_gradient_is_evaluated_without_one():
    assert not any(run(torch.ones(2, 7, 3)).requires_grad for run in contenders().values())


def test_replicated_windows_are_counted_in_bytes():
    assert replicated_bytes(32, 256, 64) == 4 * 100 * 256 * 32 * 64
