// For all CUDA kernels: launches on torch's current stream, dtypes, and reductions over a warp in a fixed order.
#pragma once

#include <cuda_runtime.h>
#include <math.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/macros.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Exception.h>
#include <torch/headeronly/util/Half.h>

namespace fbn {

using torch::headeronly::BFloat16;
using torch::headeronly::Half;
using torch::headeronly::ScalarType;
using torch::stable::Tensor;

constexpr int WARP = 32;
// Number of values that a thread loads before it computes with the first. Square roots and divisions branch for special
// operands, and the compiler does not move loads up across a branch.
constexpr int AHEAD = 4;
// Limit of the second and third dimension of a grid, in which images are counted.
constexpr int64_t MOST_IMAGES = 65535;

// The type of products, sums and results: float64 for float64, float32 for narrower types.
template <typename T>
struct Accumulator {
  using type = float;
};
template <>
struct Accumulator<double> {
  using type = double;
};

inline ScalarType accumulation_dtype(ScalarType dtype) {
  return dtype == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
}

template <typename T>
struct Dtype {
  using type = T;
};

// Calls body(Dtype<T>()) for the T of a feature map's dtype.
template <typename Body>
void dispatch(const char* op, ScalarType dtype, const Body& body) {
  switch (dtype) {
    case ScalarType::Float:
      return body(Dtype<float>());
    case ScalarType::Double:
      return body(Dtype<double>());
    case ScalarType::BFloat16:
      return body(Dtype<BFloat16>());
    case ScalarType::Half:
      return body(Dtype<Half>());
    default:
      STD_TORCH_CHECK(false, op, ": expected float32, float64, bfloat16 or float16, got ", toString(dtype));
  }
}

__host__ __device__ inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// A tensor's memory. Inputs are read as const T, so that copy-on-write tensors stay shared.
template <typename T>
T* values_of(const Tensor& tensor) {
  if constexpr (std::is_const_v<T>) {
    return static_cast<T*>(tensor.const_data_ptr());
  } else {
    return static_cast<T*>(tensor.mutable_data_ptr());
  }
}

inline int device_attribute(const Tensor& tensor, cudaDeviceAttr attribute) {
  int value = 0;
  STD_CUDA_CHECK(cudaDeviceGetAttribute(&value, attribute, tensor.get_device_index()));
  return value;
}

// torch's current stream on the device of a tensor; the device must be current (DeviceGuard).
inline cudaStream_t current_stream(const Tensor& tensor) {
  void* stream = nullptr;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(tensor.get_device_index(), &stream));
  return static_cast<cudaStream_t>(stream);
}

// kernel<<<grid, block, 0, stream>>>(arguments...) with a check for errors; launches nothing if the grid is empty.
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, cudaStream_t stream, Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) {
    return;
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.stream = stream;
  STD_CUDA_CHECK(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...));
  STD_CUDA_KERNEL_LAUNCH_CHECK();
}

// Sum, largest and smallest value over the 32 lanes of a full warp: the same bits in every lane and in every run.
template <typename A>
__device__ inline A warp_sum(A value) {
  for (int offset = WARP / 2; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(0xffffffffu, value, offset);
  }
  return value;
}

template <typename A>
__device__ inline A warp_max(A value) {
  for (int offset = WARP / 2; offset > 0; offset /= 2) {
    const A other = __shfl_xor_sync(0xffffffffu, value, offset);
    value = other > value ? other : value;
  }
  return value;
}

template <typename A>
__device__ inline A warp_min(A value) {
  return -warp_max(-value);
}

}  // namespace fbn
