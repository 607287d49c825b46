// Kernels in plain C++ with 16-byte vectors, for every processor.
#include "instruction_sets.h"
#include "signed_root_templates.h"
#include "tile_templates.h"
#include "vec_portable.h"

namespace fbn {

const TileKernels<float> PORTABLE_FLOAT_TILES = make_tile_kernels<Portable<float>>();
const TileKernels<double> PORTABLE_DOUBLE_TILES = make_tile_kernels<Portable<double>>();
const RootKernels<float> PORTABLE_FLOAT_ROOTS = make_root_kernels<Portable<float>>();
const RootKernels<double> PORTABLE_DOUBLE_ROOTS = make_root_kernels<Portable<double>>();

}  // namespace fbn
