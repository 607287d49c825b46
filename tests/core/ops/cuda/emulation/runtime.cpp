// The emulated device: one block at a time, its threads as coroutines, and the parts of torch's CUDA library that the
// kernels call.

#include "cuda_runtime.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/c/shim.h>

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {

unsigned flat_thread;
uint64_t exchanged[1024];
int votes;

namespace {

constexpr unsigned WARP_SIZE = 32;
constexpr size_t STACK_BYTES = 256 * 1024;

enum class State { RUNNABLE, AT_BLOCK_BARRIER, AT_WARP_BARRIER, FINISHED };

// A coroutine outlives its thread: it runs one thread after another. Only its first start takes a context, since
// switching those costs a system call; from then on it is left and resumed with jumps.
struct Coroutine {
  State state = State::FINISHED;
  std::unique_ptr<char[]> stack;
  ucontext_t start;
  jmp_buf left_at;
  bool started = false;
};

std::vector<Coroutine> coroutines(1024);
jmp_buf scheduler;
const std::function<void()>* body;
bool descending = false;
int l2_cache_bytes = 50 << 20, multiprocessors = 132;

void give_way(State state) {
  Coroutine& self = coroutines[flat_thread];
  self.state = state;
  if (_setjmp(self.left_at) == 0) {
    _longjmp(scheduler, 1);
  }
}

void run_threads() {
  while (true) {
    (*body)();
    give_way(State::FINISHED);
  }
}

void resume(unsigned index) {
  flat_thread = index;
  threadIdx = dim3(index % blockDim.x, index / blockDim.x % blockDim.y, index / blockDim.x / blockDim.y);
  Coroutine& next = coroutines[index];
  if (_setjmp(scheduler) != 0) {
    return;
  }
  if (next.started) {
    _longjmp(next.left_at, 1);
  }
  next.started = true;
  next.stack.reset(new char[STACK_BYTES]);
  getcontext(&next.start);
  next.start.uc_stack.ss_sp = next.stack.get();
  next.start.uc_stack.ss_size = STACK_BYTES;
  makecontext(&next.start, run_threads, 0);
  setcontext(&next.start);
}

// Releases a barrier that all of the threads first..last have reached; whether it did.
bool release(unsigned first, unsigned last, State barrier) {
  for (unsigned k = first; k < last; ++k) {
    if (coroutines[k].state != barrier) {
      return false;
    }
  }
  for (unsigned k = first; k < last; ++k) {
    coroutines[k].state = State::RUNNABLE;
  }
  return true;
}

void run_block(unsigned threads) {
  for (unsigned k = 0; k < threads; ++k) {
    coroutines[k].state = State::RUNNABLE;
  }
  while (true) {
    bool progress = false, finished = true;
    for (unsigned k = 0; k < threads; ++k) {
      const unsigned index = descending ? threads - 1 - k : k;
      if (coroutines[index].state == State::RUNNABLE) {
        resume(index);
        progress = true;
      }
      finished &= coroutines[index].state == State::FINISHED;
    }
    if (finished) {
      return;
    }
    progress |= release(0, threads, State::AT_BLOCK_BARRIER);
    for (unsigned first = 0; first < threads; first += WARP_SIZE) {
      progress |= release(first, first + WARP_SIZE, State::AT_WARP_BARRIER);
    }
    if (!progress) {
      for (Coroutine& each : coroutines) {
        each.started = false;
      }
      throw std::runtime_error("a barrier or shuffle that only some of its threads reached");
    }
  }
}

}  // namespace

void wait_for_block() { give_way(State::AT_BLOCK_BARRIER); }
void wait_for_warp() { give_way(State::AT_WARP_BARRIER); }

cudaError_t run_grid(dim3 grid, dim3 size, const std::function<void()>& kernel) {
  const unsigned threads = size.x * size.y * size.z;
  if (threads == 0 || threads > 1024 || threads % WARP_SIZE != 0 || grid.x == 0 || grid.y == 0 || grid.z == 0 ||
      grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) {
    return cudaErrorInvalidConfiguration;
  }
  body = &kernel;
  gridDim = grid;
  blockDim = size;
  for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z) {
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y) {
      for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
        run_block(threads);
      }
    }
  }
  return cudaSuccess;
}

}  // namespace emulation

cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrL2CacheSize ? emulation::l2_cache_bytes : emulation::multiprocessors;
  return cudaSuccess;
}

extern "C" {

// Called by the tests.
void emulate_device(int l2_cache_bytes, int multiprocessors, int descending) {
  emulation::l2_cache_bytes = l2_cache_bytes;
  emulation::multiprocessors = multiprocessors;
  emulation::descending = descending != 0;
}

AOTITorchError aoti_torch_get_current_cuda_stream(int32_t, void** stream) {
  *stream = nullptr;
  return AOTI_TORCH_SUCCESS;
}

AOTITorchError aoti_torch_create_device_guard(int32_t, DeviceGuardHandle* guard) {
  *guard = nullptr;
  return AOTI_TORCH_SUCCESS;
}

AOTITorchError aoti_torch_delete_device_guard(DeviceGuardHandle) { return AOTI_TORCH_SUCCESS; }

AOTITorchError torch_c10_cuda_check_msg(int32_t error, const char*, const char* function, uint32_t, bool,
                                        char** message) {
  *message = error == cudaSuccess ? nullptr : strdup((std::string("CUDA error in ") + function).c_str());
  return AOTI_TORCH_SUCCESS;
}

void torch_c10_cuda_free_error_msg(char* message) { free(message); }

}  // extern "C"
