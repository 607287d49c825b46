// Kernels for AVX-512; double precision keeps to AVX2, whose multiply-adds are as fast on many processors.
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
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")
#endif

#include "cpu/bilinear_pool/signed_root_templates.h"
#include "cpu/gemm/tile_templates.h"
#include "cpu/isa/avx512_vectors.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace fbn {

const TileKernels<float> AVX512_FLOAT_TILES = make_tile_kernels<Avx512Float>();
const RootKernels<float> AVX512_FLOAT_ROOTS = make_root_kernels<Avx512Float>();

}  // namespace fbn

#endif
