"""The emulation catches what it is there for, and torch keeps what the kernels rely on."""

import ctypes

import pytest
import torch

from tests.core.ops.cuda.kernels import EMULATION, run

KERNELS = r"""
#include <cuda_runtime.h>

#include <stdexcept>

// out[0] = sum of the indices of 64 threads, by way of shared memory.
__global__ void sum_indices(int* out, bool with_barrier) {
  __shared__ int values[64];
  values[threadIdx.x] = 0;
  __syncthreads();
  values[threadIdx.x] = threadIdx.x;
  if (with_barrier) {
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    out[0] = 0;
    for (int value : values) {
      out[0] += value;
    }
  }
}

__global__ void leave_some_behind() {
  if (threadIdx.x != 7) {
    __syncthreads();
  }
}

__global__ void count_threads(int* out) { out[0] += 1; }

template <typename... Parameters, typename... Arguments>
int start(void (*kernel)(Parameters...), dim3 grid, dim3 block, Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  try {
    return cudaLaunchKernelEx(&config, kernel, arguments...);
  } catch (const std::runtime_error&) {
    return -1;
  }
}

extern "C" {
int sum_of_indices(int* out, bool with_barrier) { return start(sum_indices, dim3(1), dim3(64), out, with_barrier); }
int divergence() { return start(leave_some_behind, dim3(1), dim3(64)); }
int count(int* out, int x, int y, int threads) { return start(count_threads, dim3(x, y), dim3(threads), out); }
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, emulated) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("kernels")
    source, target = folder / "kernels.cu", folder / "kernels.so"
    source.write_text(KERNELS)
    run(["g++", "-std=c++20", "-shared", "-fPIC", f"-I{EMULATION}", "-x", "c++", str(source), "-o", str(target)])
    # It finds the emulated device in the library of the kernels proper.
    ctypes.CDLL(str(emulated.emulation), mode=ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(str(target))


@pytest.mark.parametrize("descending", [False, True])
def test_threads_of_a_block_share_memory_across_a_barrier(library, emulated, descending):
    out = ctypes.c_int()

    with emulated.device_with(descending=descending):
        assert library.sum_of_indices(ctypes.byref(out), True) == 0

    assert out.value == sum(range(64))


def test_a_missing_barrier_is_seen_in_one_of_two_orders(library, emulated):
    out = ctypes.c_int()
    sums = []
    for descending in (False, True):
        with emulated.device_with(descending=descending):
            library.sum_of_indices(ctypes.byref(out), False)
        sums.append(out.value)

    assert sums[0] != sums[1]


def test_a_barrier_that_one_thread_misses_is_an_error(library):
    assert library.divergence() == -1


@pytest.mark.parametrize(
    ("x", "y", "threads"),
    [(1, 65536, 32), (1, 1, 2048), (1, 1, 0), (0, 1, 32)],
    ids=["grid.y", "block", "no thread", "no block"],
)
def test_a_launch_beyond_the_limits_is_an_error(library, x, y, threads):
    out = ctypes.c_int()

    assert library.count(ctypes.byref(out), x, y, threads) == 9
    assert out.value == 0


def test_every_block_and_thread_runs_once(library):
    out = ctypes.c_int()

    assert library.count(ctypes.byref(out), 3, 5, 64) == 0
    assert out.value == 3 * 5 * 64


@pytest.mark.parametrize("product", ["aten::bmm.out", "aten::bmm.dtype_out", "aten::mm.out", "aten::mm.dtype_out"])
def test_autocast_has_no_rule_for_the_products_that_kernels_call(product):
    # The kernels run with autocast's key active: a rule would cast their factors behind their back.
    assert not torch._C._dispatch_has_kernel_for_dispatch_key(product, "AutocastCUDA")
    assert torch._C._dispatch_has_kernel_for_dispatch_key("aten::bmm", "AutocastCUDA")
