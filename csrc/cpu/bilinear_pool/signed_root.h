// The signed square root of tiles, and its gradient: a table of functions for each instruction set.
#pragma once

#include <cstdint>

#include "cpu/isa/capability.h"

namespace fbn {

template <typename T>
struct RootKernels {
  // Sets every value v of a tile to sign(v) sqrt|multiplicity v| * scale; returns the sum of |multiplicity v|.
  double (*signed_root)(T* tile, T multiplicity, T scale);

  // Sets every du of a tile to (du |u| / max(|u|, floor)^2 - mean sign(u)) * factor.
  void (*gradient)(const T* u, T* du, T floor, T mean, T factor);

  double (*dot)(const T* a, const T* b, int64_t count);

  void (*multiply)(T* values, int64_t count, T factor);
};

template <typename T>
const RootKernels<T>& root_kernels(Capability capability);

}  // namespace fbn
