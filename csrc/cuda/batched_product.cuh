// The batched matrix product of every op on CUDA, and portions of a batch.
//
// Autograd and autocast: the dispatcher reaches these kernels below autograd's keys, which torch.library's autograd
// excludes before it calls down, but with autocast's key still active. Autocast has no rule for the out= overloads of
// bmm (a test checks this for every torch), so products run in the dtypes of their arguments.
#pragma once

#include <array>

#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/ops.h>

#include "cuda/device.cuh"

namespace fbn {

// out = a b, image by image. All three have the same dtype, or a and b are half precision and out is float32. ATen
// computes the product, so that torch's settings of TF32 and cuBLAS apply and any strides are allowed.
inline void multiply(const Tensor& a, const Tensor& b, const Tensor& out) {
  using torch::stable::detail::from;
  using torch::stable::detail::to;
  if (a.scalar_type() == out.scalar_type()) {
    std::array<StableIValue, 3> stack{from(a), from(b), from(out)};
    TORCH_ERROR_CODE_CHECK(torch_call_dispatcher("aten::bmm", "out", stack.data(), TORCH_ABI_VERSION));
    const Tensor returned = to<Tensor>(stack[0]);
  } else {
    std::array<StableIValue, 4> stack{from(a), from(b), from(out.scalar_type()), from(out)};
    TORCH_ERROR_CODE_CHECK(torch_call_dispatcher("aten::bmm", "dtype_out", stack.data(), TORCH_ABI_VERSION));
    const Tensor returned = to<Tensor>(stack[0]);
  }
}

// Images `start` to `start + count - 1` of a batch.
inline Tensor images(Tensor batch, int64_t start, int64_t count) {
  return torch::stable::narrow(batch, 0, start, count);
}

}  // namespace fbn
