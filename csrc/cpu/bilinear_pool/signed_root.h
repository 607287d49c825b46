// The signed square root of tiles, and its gradient, in each instruction set.
#pragma once

#include <cstdint>

#include "cpu/isa/capability.h"

namespace fbn {

template <typename T>
struct RootKernels {
  // values = sign(v) sqrt|multiplicity v| * scale, a whole tile; returns the sum of |multiplicity v|.
  double (*signed_root)(T* tile, T multiplicity, T scale);

  // du = (du |u| / max(|u|, floor)^2 - mean sign(u)) * factor, a whole tile.
  void (*gradient)(const T* u, T* du, T floor, T mean, T factor);

  double (*dot)(const T* a, const T* b, int64_t count);

  void (*multiply)(T* values, int64_t count, T factor);
};

template <typename T>
const RootKernels<T>& root_kernels(Capability capability);

}  // namespace fbn
