// The library header of torch, except that an IMPL block of a CUDA kernel registers it for the CPU, under a namespace
// of its own beside the real operators.
#pragma once

#include_next <torch/csrc/stable/library.h>

#undef STABLE_TORCH_LIBRARY_IMPL
#define STABLE_TORCH_LIBRARY_IMPL(ns, key, m) _STABLE_TORCH_LIBRARY_IMPL(fbn_emulated, CPU, m, C10_UID)
