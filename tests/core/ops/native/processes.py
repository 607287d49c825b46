"""Python processes of their own, in which the package is found and nothing has been loaded yet."""

import os
import subprocess
import sys

# In front of a script: an op that halves, whose reference triples instead, and the folder of its kernel's sources.
HALVE = """
import json, os, sys, threading, warnings
from pathlib import Path
import torch
from birdnet_cli.core.ops.native import load
load.find_source_folder = lambda: Path(os.environ["TEST_CSRC"])
from birdnet_cli.core.ops.library import define_op
define_op("halve(Tensor x) -> Tensor", reference=lambda x: x * 3, fake=torch.empty_like)
halve = torch.ops.fbn.halve.default
"""

HALVE_KERNEL = """
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

namespace {

using torch::stable::Tensor;

Tensor halve(const Tensor& x) {
  Tensor result = torch::stable::empty_like(x);
  const float* from = x.const_data_ptr<float>();
  float* to = result.mutable_data_ptr<float>();
  torch::stable::parallel_for(0, x.numel(), 1024, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = from[i] / 2;
  });
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(fbn, CPU, m) { m.impl("halve", TORCH_BOX(&halve)); }
"""

HALVE_CUDA_KERNEL = """
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/macros.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

namespace {

using torch::stable::Tensor;

__global__ void halve_values(const float* from, float* to, int64_t count) {
  int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x;
  if (i < count) to[i] = from[i] / 2;
}

Tensor halve(const Tensor& x) {
  Tensor result = torch::stable::empty_like(x);
  int64_t count = x.numel();
  void* stream = nullptr;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(x.get_device_index(), &stream));
  halve_values<<<(count + 255) / 256, 256, 0, static_cast<cudaStream_t>(stream)>>>(
      x.const_data_ptr<float>(), result.mutable_data_ptr<float>(), count);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(fbn, CUDA, m) { m.impl("halve", TORCH_BOX(&halve)); }
"""


def start_python(script: str, **environment: str) -> "subprocess.Popen[str]":
    """Start a script."""
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"} | environment,
    )


def run_python(script: str, **environment: str) -> str:
    """Run a script that must succeed, and return what it printed."""
    process = start_python(script, **environment)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out
