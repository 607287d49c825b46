// The function tables of the instruction sets; each is defined in the unit that is named after its set.
#pragma once

#include "cpu/bilinear_pool/signed_root.h"
#include "cpu/gemm/gemm_tile.h"

namespace fbn {

extern const TileKernels<float> PORTABLE_FLOAT_TILES;
extern const TileKernels<double> PORTABLE_DOUBLE_TILES;
extern const RootKernels<float> PORTABLE_FLOAT_ROOTS;
extern const RootKernels<double> PORTABLE_DOUBLE_ROOTS;

#if defined(__x86_64__)
extern const TileKernels<float> AVX2_FLOAT_TILES;
extern const TileKernels<double> AVX2_DOUBLE_TILES;
extern const RootKernels<float> AVX2_FLOAT_ROOTS;
extern const RootKernels<double> AVX2_DOUBLE_ROOTS;
extern const TileKernels<float> AVX512_FLOAT_TILES;
extern const RootKernels<float> AVX512_FLOAT_ROOTS;
extern const TileKernels<float> AVX512_PAIR_TILES;
#endif

}  // namespace fbn
