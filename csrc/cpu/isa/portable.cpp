// Kernels in plain C++ with 16-byte vectors, for every processor.
#include "cpu/bilinear_pool/signed_root_templates.h"
#include "cpu/gemm/tile_templates.h"
#include "cpu/isa/kernel_tables.h"
#include "cpu/isa/portable_vectors.h"

namespace fbn {

const TileKernels<float> PORTABLE_FLOAT_TILES = make_tile_kernels<Portable<float>>();
const TileKernels<double> PORTABLE_DOUBLE_TILES = make_tile_kernels<Portable<double>>();
const RootKernels<float> PORTABLE_FLOAT_ROOTS = make_root_kernels<Portable<float>>();
const RootKernels<double> PORTABLE_DOUBLE_ROOTS = make_root_kernels<Portable<double>>();

}  // namespace fbn
