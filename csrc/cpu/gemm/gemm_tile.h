// The micro-kernel of every CPU op: panels of two matrices are packed, and a product of two panels is one tile.
//
//   tile[i][j] = sum over k of a[i][k] b[j][k],   i, j < PANEL
//
// A panel holds up to PANEL rows of a matrix over a range of depth k, in a layout that only `pack` writes and
// `multiply` reads; rows that the matrix lacks are zeros. The same panel serves as left and as right factor, so X X^T
// packs X once. A tile has PANEL * PANEL values of type T, row by row, aligned to 64 bytes: 4 KiB of float32, so
// that the op's next step finds it in the first-level cache.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/isa/capability.h"

namespace fbn {

constexpr int64_t PANEL = 32;
constexpr int64_t TILE = PANEL * PANEL;

// The depth of a panel is rounded up to a multiple of UNITS units. A depth of PANEL is such a multiple, so blocks of a
// matrix that start at multiples of PANEL can be packed into a panel one after another.
constexpr int64_t UNITS = 16;

enum class Dtype { float32, float64, bfloat16, float16 };

// A matrix in any layout; strides in elements.
struct MatrixView {
  const void* data;
  Dtype dtype;
  int64_t row_stride;
  int64_t depth_stride;
};

struct MutableMatrixView {
  void* data;
  Dtype dtype;
  int64_t row_stride;
  int64_t column_stride;
};

// The part of a tile that is computed; values outside of it are undefined.
struct Region {
  int64_t rows = PANEL;
  int64_t columns = PANEL;
  // The upper triangle alone, j >= i.
  bool upper = false;
};

// total = sum over depth of (sum over rows)^2, and the lowest value of all.
struct SquaredSums {
  double total;
  double lowest;
};

// The functions of an instruction set; T is the type of accumulators and tiles.
template <typename T>
struct TileKernels {
  // A panel of a depth d has ceil(d / depth_per_unit) units, each of PANEL * unit_bytes.
  int64_t depth_per_unit;
  int64_t unit_bytes;

  // The source is float64 for T = double, else float32, bfloat16 or float16. Panels of bfloat16 pairs take no float16,
  // and round float32 to bfloat16.
  void (*pack)(const MatrixView& source, int64_t rows, int64_t depth, void* panel);

  // Sets the region of the tile, or adds to it.
  void (*multiply)(int64_t depth, const void* a, const void* b, T* tile, Region region, bool add);

  // SquaredSums of `count` panels that lie `stride` bytes apart.
  SquaredSums (*squared_sums)(const void* panels, int64_t count, int64_t stride, int64_t depth);

  // target = tile * factor, rounded to the target's dtype.
  void (*write)(const T* tile, Region region, T factor, const MutableMatrixView& target);

  int64_t units(int64_t depth) const { return (depth + depth_per_unit - 1) / depth_per_unit; }
  int64_t panel_bytes(int64_t depth) const { return (units(depth) + UNITS - 1) / UNITS * UNITS * PANEL * unit_bytes; }
};

// Kernels whose panels hold every dtype that accumulates in T exactly.
template <typename T>
const TileKernels<T>& tile_kernels(Capability capability);

// Kernels that multiply `dtype` the fastest: pairs of bfloat16 where the processor has an instruction for them.
template <typename T>
const TileKernels<T>& tile_kernels(Capability capability, Dtype dtype);

}  // namespace fbn
