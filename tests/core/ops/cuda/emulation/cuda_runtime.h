// The part of CUDA that the kernels use, on the CPU: a .cu file compiled as C++ with this folder first in the include
// path runs its real kernels, block by block, each CUDA thread a coroutine that gives way at barriers and shuffles.
//
// What it checks on the way: grid and block limits, barriers that not every thread reaches, and (by running the threads
// of a block in ascending or descending order) results that depend on the order of threads between two barriers.
#pragma once

#include <math.h>

#include <cstdint>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
// One block runs at a time, so a static variable of its kernel is what its threads share.
#define __shared__ static

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

using cudaStream_t = void*;
enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorInvalidConfiguration = 9 };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount = 16, cudaDevAttrL2CacheSize = 38 };

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
};

// In runtime.cpp.
extern dim3 threadIdx, blockIdx, blockDim, gridDim;
cudaError_t cudaGetLastError();
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);

namespace emulation {

extern unsigned flat_thread;
extern uint64_t exchanged[1024];
extern int votes;

// Gives way until every thread of the block, or of the warp, has come here.
void wait_for_block();
void wait_for_warp();
cudaError_t run_grid(dim3 grid, dim3 block, const std::function<void()>& kernel);

}  // namespace emulation

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  return emulation::run_grid(config->gridDim, config->blockDim, [&] { kernel(arguments...); });
}

inline void __syncthreads() { emulation::wait_for_block(); }

inline int __syncthreads_or(int vote) {
  emulation::wait_for_block();
  emulation::votes = 0;
  emulation::wait_for_block();
  emulation::votes |= vote != 0;
  emulation::wait_for_block();
  return emulation::votes;
}

template <typename T>
T __shfl_xor_sync(unsigned, T value, int offset) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  std::memcpy(&emulation::exchanged[emulation::flat_thread], &value, sizeof(T));
  emulation::wait_for_warp();
  T other;
  std::memcpy(&other, &emulation::exchanged[emulation::flat_thread ^ unsigned(offset)], sizeof(T));
  emulation::wait_for_warp();
  return other;
}
