// Kernels for AVX2 with FMA and F16C.
#if defined(__x86_64__)

// These headers are included before the target region: the linker keeps one copy of each of their inline functions for
// the whole library, and that copy must run on every processor.
#include <immintrin.h>
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include <cstdint>
#include <cstring>

#include "cpu/isa/kernel_tables.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif

#include "cpu/bilinear_pool/signed_root_templates.h"
#include "cpu/gemm/tile_templates.h"
#include "cpu/isa/avx2_vectors.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace fbn {

const TileKernels<float> AVX2_FLOAT_TILES = make_tile_kernels<Avx2Float>();
const TileKernels<double> AVX2_DOUBLE_TILES = make_tile_kernels<Avx2Double>();
const RootKernels<float> AVX2_FLOAT_ROOTS = make_root_kernels<Avx2Float>();
const RootKernels<double> AVX2_DOUBLE_ROOTS = make_root_kernels<Avx2Double>();

}  // namespace fbn

#endif
