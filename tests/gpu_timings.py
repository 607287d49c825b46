"""Time the ops on this GPU against plain PyTorch, beside the GPU's own ceilings, and show where their time goes.

Run by tests/gpu.sh; needs torch alone. Every case is captured in a CUDA graph, so that the host's launches cost
nothing, and the cases of a shape are timed in turns. Medians are printed, and written as JSON to the file given.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import conv2d, normalize

from birdnet_cli.core.ops import bilinear_pool, compact_bilinear_pool

SHAPES = [(N, 512, L) for N in (1, 8, 32) for L in (196, 784)] + [(32, 144, 784), (32, 256, 784), (8, 2048, 49)]
SKETCH_DIM = 8192
# Heads of the FB paper's networks, (N, C, h, w, O, K): CIFAR-100, and ImageNet on ResNet-34.
FORMS = [(128, 256, 8, 8, 100, 20), (64, 512, 7, 7, 1000, 50)]
ROUNDS, REPLAYS = 15, 20


def plain_bilinear(x: Tensor) -> Tensor:
    """Bilinear pooling as it is written in PyTorch: the full matrix, in the dtype of x."""
    gram = torch.bmm(x, x.mT)
    return normalize((gram.sign() * gram.abs().sqrt()).flatten(1))


def forward(pool: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], object]:
    """A forward pass without autograd."""

    def run() -> Tensor:
        with torch.no_grad():
            return pool(x)

    return run


def both(pool: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], object]:
    """A forward and a backward pass."""
    x = x.detach().requires_grad_()

    def run() -> Tensor:
        y = pool(x)
        (gradient,) = torch.autograd.grad(y, x, torch.ones_like(y))
        return gradient

    return run


def capture(run: Callable[[], object]) -> Callable[[], None]:
    """Capture a case in a CUDA graph; return its replay."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        graph.result = run()  # type: ignore[attr-defined]
    return graph.replay


def microseconds(replay: Callable[[], None]) -> float:
    """Mean time of one replay out of many."""
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(REPLAYS):
        replay()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) * 1000 / REPLAYS


def interleaved(cases: dict[str, Callable[[], object]]) -> dict[str, float | str]:
    """Name -> median microseconds, or what kept a case from running."""
    replays: dict[str, Callable[[], None]] = {}
    results: dict[str, float | str] = {}
    for name, run in cases.items():
        try:
            replays[name] = capture(run)
        except Exception as error:  # a measurement reports what failed and goes on
            results[name] = f"{type(error).__name__}: {error}".splitlines()[0][:120]
            torch.cuda.synchronize()
    times: dict[str, list[float]] = {name: [] for name in replays}
    for _ in range(ROUNDS):
        for name, replay in replays.items():
            times[name].append(microseconds(replay))
    return results | {name: round(statistics.median(values), 2) for name, values in times.items()}


def time_shape(shape: tuple[int, int, int], dtype: torch.dtype) -> dict[str, float | str]:
    """Every case of one shape."""
    x = torch.randn(shape, device="cuda").abs().to(dtype)
    N, C, _ = shape
    torch._dynamo.reset()
    compiled = torch.compile(plain_bilinear, mode="max-autotune-no-cudagraphs")
    buckets = torch.randint(SKETCH_DIM, (2, C), device="cuda")
    signs = torch.randint(2, (2, C), device="cuda") * 2.0 - 1

    def ours(x: Tensor) -> Tensor:
        return bilinear_pool(x, nonnegative=True)

    def sketch(x: Tensor) -> Tensor:
        return compact_bilinear_pool(x, buckets=buckets, signs=signs, dim=SKETCH_DIM)

    descriptor = torch.empty(N, C * (C + 1) // 2, device="cuda")
    return interleaved(
        {
            "ceiling: bmm": lambda: torch.bmm(x, x.mT),
            "ceiling: copy of a packed descriptor": lambda: descriptor.clone(),
            "ours": forward(ours, x),
            "ours, signed": forward(bilinear_pool, x),
            "eager": forward(plain_bilinear, x),
            "compile": forward(compiled, x),
            "ours, both": both(ours, x),
            "eager, both": both(plain_bilinear, x),
            "compile, both": both(compiled, x),
            "compact": forward(sketch, x),
            "compact, both": both(sketch, x),
        }
    )


def time_form(form: tuple[int, ...], dtype: torch.dtype) -> dict[str, float | str]:
    """The Factorized Bilinear form against the same in plain PyTorch, with the gradient of the map."""
    try:
        from birdnet_cli.core.ops.fb_quadratic import fb_quadratic
    except ImportError as error:
        return {"fb_quadratic": f"not here: {error}"}
    N, C, h, w, classes, K = form
    x = torch.randn(N, C, h, w, device="cuda").to(dtype)
    weight = torch.randn(classes, K, C, 1, 1, device="cuda").to(dtype) / C**0.5

    def ours(x: Tensor) -> Tensor:
        return fb_quadratic(x, weight, diagonal=False)

    def plain(x: Tensor) -> Tensor:
        products = conv2d(x, weight.flatten(0, 1)).unflatten(1, (classes, K))
        return products.square().sum(2) - conv2d(x.square(), weight.square().sum(1))

    return interleaved(
        {
            "ceiling: conv": lambda: conv2d(x, weight.flatten(0, 1)),
            "ours": forward(ours, x),
            "eager": forward(plain, x),
            "ours, both": both(ours, x),
            "eager, both": both(plain, x),
        }
    )


def kernel_times() -> str:
    """Time of each kernel of one forward and backward pass at (32, 512, 784) in bfloat16."""
    x = torch.randn(32, 512, 784, device="cuda").abs().bfloat16()
    run = both(lambda x: bilinear_pool(x, nonnegative=True), x)
    for _ in range(5):
        run()
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(20):
            run()
        torch.cuda.synchronize()
    return profile.key_averages().table(sort_by="cuda_time_total", row_limit=20, max_name_column_width=90)


def main() -> None:
    """Time everything; print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("json", type=Path)
    arguments = parser.parse_args()
    if library := os.environ.get("FBN_TEST_CUDA_LIBRARY"):
        torch.ops.load_library(library)
    results = []
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        for tf32 in (False, True) if dtype == torch.float32 else (False,):
            torch.set_float32_matmul_precision("high" if tf32 else "highest")
            name = f"{str(dtype).removeprefix('torch.')}{' (TF32)' if tf32 else ''}"
            for shape in (*SHAPES, *FORMS):
                times = time_shape(shape, dtype) if len(shape) == 3 else time_form(shape, dtype)
                results.append({"shape": shape, "dtype": name, "microseconds": times})
                print(f"{shape} {name}", *(f"  {case:38} {value}" for case, value in times.items()), sep="\n")
                sys.stdout.flush()
    arguments.json.write_text(json.dumps({"device": torch.cuda.get_device_name(), "results": results}, indent=1))
    print(kernel_times())


if __name__ == "__main__":
    main()
