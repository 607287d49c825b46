"""What only a real GPU can show of the ops: autograd, autocast, streams, devices, graphs, large batches, memory."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from birdnet_cli.core.ops import bilinear_pool, compact_bilinear_pool
from tests.core.ops.cuda.conftest import needs_gpu

pytestmark = [
    pytest.mark.cuda,
    needs_gpu,
    pytest.mark.usefixtures("gpu"),
    # Raised inside PyTorch's own tooling.
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning"),
]

Pool = Callable[[Tensor], Tensor]


def feature_map(*shape: int, dtype: torch.dtype = torch.float32, device: str = "cuda") -> Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x.abs().to(dtype).to(device)


def bilinear(x: Tensor) -> Tensor:
    return bilinear_pool(x, nonnegative=True)


def signed(x: Tensor) -> Tensor:
    return bilinear_pool(x - 0.5)


def compact(x: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    C = x.shape[1]
    buckets = torch.randint(100, (2, C), generator=generator).to(x.device, non_blocking=True)
    signs = (torch.randint(2, (2, C), generator=generator) * 2 - 1).to(x.device, non_blocking=True)
    return compact_bilinear_pool(x, buckets=buckets, signs=signs, dim=100)


def value_and_gradient(pool: Pool, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_()
    y = pool(x)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (gradient,) = torch.autograd.grad((y * weights.to(y)).sum(), x)
    return y.detach(), gradient


@pytest.fixture(params=[bilinear, signed, compact])
def pool(request: pytest.FixtureRequest) -> Pool:
    chosen: Pool = request.param
    return chosen


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("shape", [(3, 67, 9, 11), (2, 512, 14, 14)], ids=str)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_values_and_gradient_equal_float64_on_the_cpu(pool, shape, dtype, memory_format, assert_near):
    # A signed product that comes out near 0 by rounding has an ill-conditioned gradient: see test_bilinear_pool.py.
    x = (feature_map(*shape) * 4).round().div(4).to(dtype).contiguous(memory_format=memory_format)

    value, gradient = value_and_gradient(pool, x)

    oracle, slope = value_and_gradient(pool, x.cpu().double())
    assert gradient.dtype == dtype
    assert_near(value.cpu(), oracle, dtype)
    assert_near(gradient.cpu(), slope, dtype, gradient=True)


@pytest.mark.parametrize("inputs", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("autocast", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_changes_no_bit_of_value_or_gradient(pool, autocast, inputs):
    x = feature_map(2, 67, 30, dtype=inputs)
    expected = value_and_gradient(pool, x)

    with torch.autocast("cuda", dtype=autocast):
        under_autocast = value_and_gradient(pool, x)

    assert all(map(torch.equal, under_autocast, expected))


def test_inference_mode_changes_no_bit(pool):
    x = feature_map(2, 67, 30)
    with torch.inference_mode():
        inferred = pool(x)

    assert torch.equal(inferred, pool(x))


def test_a_second_derivative_is_an_error_that_names_the_op(pool):
    x = feature_map(1, 3, 4).requires_grad_()
    (gradient,) = torch.autograd.grad(pool(x).sum(), x, create_graph=True)

    with pytest.raises(NotImplementedError, match="bilinear_pool has no double backward"):
        gradient.sum().backward()


def test_the_ops_pass_opcheck():
    x = feature_map(3, 5, 7)
    descriptor, scale = torch.ops.fbn.bilinear_pool.default(x, True, True)
    hashes = torch.zeros(2, 5, dtype=torch.int64, device="cuda"), torch.ones(2, 5, device="cuda")

    torch.library.opcheck(torch.ops.fbn.bilinear_pool.default, (x.requires_grad_(), True, True))
    arguments = (torch.ones_like(descriptor), x.detach(), descriptor, scale, True)
    torch.library.opcheck(torch.ops.fbn.bilinear_pool_backward.default, arguments)
    torch.library.opcheck(torch.ops.fbn.compact_bilinear_pool.default, (x, *hashes, 11))
    arguments = (torch.ones(3, 11, device="cuda"), x.detach(), *hashes)
    torch.library.opcheck(torch.ops.fbn.compact_bilinear_pool_backward.default, arguments)


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
@pytest.mark.filterwarnings("ignore")
def test_compiled_in_one_graph_it_equals_eager(backend):
    x = feature_map(2, 67, 9, 11)
    expected = value_and_gradient(bilinear, x)

    compiled = value_and_gradient(torch.compile(bilinear, fullgraph=True, backend=backend), x)

    for tensor, other in zip(compiled, expected, strict=True):
        torch.testing.assert_close(tensor, other)


def test_the_kernels_run_on_the_current_stream(pool):
    x = feature_map(4, 67, 100)
    expected = pool(x)
    late = torch.zeros_like(x)
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()

    with torch.cuda.stream(stream):
        # The values arrive long after the call: kernels on another stream would pool zeros.
        torch.cuda._sleep(200_000_000)
        late.copy_(x)
        pooled = pool(late)
    stream.synchronize()

    assert torch.equal(pooled, expected)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA GPUs")
def test_the_kernels_run_on_the_device_of_their_input(pool):
    x = feature_map(3, 67, 30)
    expected = value_and_gradient(pool, x)

    with torch.cuda.device(0):
        elsewhere = value_and_gradient(pool, x.to("cuda:1"))

    for tensor, other in zip(elsewhere, expected, strict=True):
        assert tensor.device.index == 1
        torch.testing.assert_close(tensor.to(other.device), other)


def test_the_host_never_waits_for_the_gpu():
    x = feature_map(3, 67, 30).requires_grad_()
    broken = x.detach() - 1
    bilinear(x)
    torch.cuda.synchronize()

    torch.cuda.set_sync_debug_mode("error")
    try:
        bilinear(x).sum().backward()
        descriptor = bilinear(broken)
    finally:
        torch.cuda.set_sync_debug_mode("default")

    assert descriptor.isnan().all()


def test_a_captured_graph_replays_with_new_values():
    static = feature_map(4, 67, 30)
    ops = torch.ops.fbn

    def both(x: Tensor) -> tuple[Tensor, Tensor]:
        descriptor, scale = ops.bilinear_pool(x, True, True)
        return descriptor, ops.bilinear_pool_backward(torch.ones_like(descriptor), x, descriptor, scale, True)

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        both(static)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = both(static)
    static.copy_(feature_map(4, 67, 30).flip(0) * 2)
    graph.replay()

    assert all(map(torch.equal, captured, both(static)))


def test_float32_products_follow_the_tf32_setting():
    x = feature_map(2, 256, 100)
    exact = bilinear(x)
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        rounded = bilinear(x)
    finally:
        torch.set_float32_matmul_precision(precision)

    assert not torch.equal(rounded, exact)
    torch.testing.assert_close(rounded, exact, rtol=2e-3, atol=1e-5)


def test_more_images_than_a_grid_holds(pool):
    x = feature_map(65_541, 2, 3)

    value, gradient = value_and_gradient(pool, x)

    last, slope = value_and_gradient(pool, x[-7:])
    torch.testing.assert_close(value[-7:], last)
    assert gradient.isfinite().all()
    assert slope.isfinite().all()


def test_images_in_many_portions_equal_images_alone(pool):
    cache = torch.cuda.get_device_properties(0).L2_cache_size
    N = 3 * cache // (256 * 256 * 4) + 5
    x = feature_map(64, 256, 7)[torch.arange(N) % 64]

    value, gradient = value_and_gradient(pool, x)

    for n in (0, N // 2, N - 1):
        alone = pool(x[n : n + 1])
        torch.testing.assert_close(value[n : n + 1], alone)
    assert gradient.isfinite().all()


def test_offsets_beyond_two_billion_values():
    if torch.cuda.mem_get_info()[0] < 24 * 2**30:
        pytest.skip("needs 24 GiB of free GPU memory")
    x = feature_map(1, 512, 4).expand(16_500, -1, -1)

    descriptor = bilinear(x)

    assert descriptor.numel() > 2**31
    for n in (1, 8_000, 16_499):
        torch.testing.assert_close(descriptor[n], descriptor[0])


def test_memory_beyond_the_results_does_not_grow_with_the_batch():
    cache = torch.cuda.get_device_properties(0).L2_cache_size
    extra = []
    for N in (256, 1024):
        x = feature_map(8, 512, 4)[torch.arange(N) % 8]
        bilinear(x)
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        descriptor = bilinear(x)
        torch.cuda.synchronize()
        extra.append(torch.cuda.max_memory_allocated() - before - descriptor.nbytes)

    assert max(extra) <= cache / 2 + 16 * 2**20
    assert extra[1] <= extra[0] * 1.1 + 2**20
