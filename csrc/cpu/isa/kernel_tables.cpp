// The choice of the tables for a capability; gemm_tile.h and signed_root.h declare these functions.
#include "cpu/isa/kernel_tables.h"

namespace fbn {

template <>
const TileKernels<float>& tile_kernels<float>([[maybe_unused]] Capability capability) {
#if defined(__x86_64__)
  if (capability >= Capability::avx512) return AVX512_FLOAT_TILES;
  if (capability == Capability::avx2) return AVX2_FLOAT_TILES;
#endif
  return PORTABLE_FLOAT_TILES;
}

template <>
const TileKernels<double>& tile_kernels<double>([[maybe_unused]] Capability capability) {
#if defined(__x86_64__)
  if (capability >= Capability::avx2) return AVX2_DOUBLE_TILES;
#endif
  return PORTABLE_DOUBLE_TILES;
}

template <>
const TileKernels<float>& tile_kernels<float>(Capability capability, [[maybe_unused]] Dtype dtype) {
#if defined(__x86_64__)
  if (capability == Capability::avx512_bf16 && dtype == Dtype::bfloat16) return AVX512_PAIR_TILES;
#endif
  return tile_kernels<float>(capability);
}

template <>
const TileKernels<double>& tile_kernels<double>(Capability capability, Dtype /*dtype*/) {
  return tile_kernels<double>(capability);
}

template <>
const RootKernels<float>& root_kernels<float>([[maybe_unused]] Capability capability) {
#if defined(__x86_64__)
  if (capability >= Capability::avx512) return AVX512_FLOAT_ROOTS;
  if (capability == Capability::avx2) return AVX2_FLOAT_ROOTS;
#endif
  return PORTABLE_FLOAT_ROOTS;
}

template <>
const RootKernels<double>& root_kernels<double>([[maybe_unused]] Capability capability) {
#if defined(__x86_64__)
  if (capability >= Capability::avx2) return AVX2_DOUBLE_ROOTS;
#endif
  return PORTABLE_DOUBLE_ROOTS;
}

}  // namespace fbn
