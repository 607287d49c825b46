"""What only a real GPU can show of `fb_quadratic`: autograd at full size, autocast, streams, graphs."""

import pytest
import torch
from torch import Tensor

from tests.core.ops.cuda.conftest import needs_gpu

MISSING = "needs the op fb_quadratic, which this version lacks"
fb_quadratic = pytest.importorskip("birdnet_cli.core.ops.fb_quadratic", reason=MISSING).fb_quadratic

pytestmark = [pytest.mark.cuda, needs_gpu, pytest.mark.usefixtures("gpu")]


def inputs(*, dtype: torch.dtype = torch.float32, device: str = "cuda") -> tuple[Tensor, Tensor]:
    # The head of the paper's CIFAR-100 networks; its products, 131 MB, exceed the L2 cache.
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(256, 256, 8, 8, generator=generator, dtype=torch.float64)
    weight = torch.randn(100, 20, 256, 1, 1, generator=generator, dtype=torch.float64) / 16
    return x.to(dtype).to(device), weight.to(dtype).to(device)


def form_and_gradients(x: Tensor, weight: Tensor, **settings) -> tuple[Tensor, ...]:
    x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()
    out = fb_quadratic(x, weight, **settings)
    upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(out)
    return out.detach(), *torch.autograd.grad((out * upstream).sum(), (x, weight))


@pytest.mark.parametrize("diagonal", [True, False], ids=["diagonal", "no diagonal"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_the_form_and_its_gradients_equal_float64_on_the_cpu(dtype, diagonal, assert_near):
    x, weight = inputs(dtype=dtype)

    actual = form_and_gradients(x, weight, diagonal=diagonal)

    oracle = form_and_gradients(x.cpu().double(), weight.cpu().double(), diagonal=diagonal)
    assert [tensor.dtype for tensor in actual[1:]] == [dtype, dtype]
    assert_near(actual[0].cpu(), oracle[0], dtype)
    for tensor, other in zip(actual[1:], oracle[1:], strict=True):
        assert_near(tensor.cpu(), other, dtype, gradient=True)


def test_under_autocast_it_is_the_form_of_the_cast_arguments():
    x, weight = inputs()
    expected = form_and_gradients(x.bfloat16(), weight.bfloat16(), diagonal=False)

    with torch.autocast("cuda", dtype=torch.bfloat16):
        actual = form_and_gradients(x, weight, diagonal=False)

    assert torch.equal(actual[0], expected[0])
    for tensor, other in zip(actual[1:], expected[1:], strict=True):
        assert torch.equal(tensor, other.float())


def test_float32_arguments_of_the_raw_op_are_not_cast_by_autocast():
    x, weight = inputs()
    arguments = (x, weight, None, [1, 1], [0, 0], [1, 1], 1, False, False)
    expected, _ = torch.ops.fbn.fb_quadratic.default(*arguments)

    with torch.autocast("cuda", dtype=torch.bfloat16):
        actual, _ = torch.ops.fbn.fb_quadratic.default(*arguments)

    assert torch.equal(actual, expected)


def test_the_kernels_run_on_the_current_stream():
    x, weight = inputs()
    expected = fb_quadratic(x, weight, diagonal=False)
    late = torch.zeros_like(x)
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()

    with torch.cuda.stream(stream):
        torch.cuda._sleep(200_000_000)
        late.copy_(x)
        out = fb_quadratic(late, weight, diagonal=False)
    stream.synchronize()

    assert torch.equal(out, expected)


def test_a_captured_graph_replays_with_new_values():
    x, weight = inputs()
    geometry = ([1, 1], [0, 0], [1, 1], 1, False)

    def both() -> tuple[Tensor, ...]:
        out, _ = torch.ops.fbn.fb_quadratic(x, weight, None, *geometry, False)
        grad = torch.ones_like(out)
        return out, *torch.ops.fbn.fb_quadratic_backward(grad, x, weight, None, None, *geometry, [True, True])

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        both()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = both()
    x.copy_(x.flip(0) * 2)
    graph.replay()

    assert all(map(torch.equal, captured, both()))


def test_memory_does_not_hold_every_product():
    x, weight = (tensor.bfloat16() for tensor in inputs())
    products = 4 * 100 * 20 * 256 * 64
    fb_quadratic(x, weight, diagonal=False)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()

    fb_quadratic(x, weight, diagonal=False)

    torch.cuda.synchronize()
    cache = torch.cuda.get_device_properties(0).L2_cache_size
    assert torch.cuda.max_memory_allocated() - before < min(products, cache + 96 * 2**20)
