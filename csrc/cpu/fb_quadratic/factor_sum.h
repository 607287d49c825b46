// The sum over factors that both directions of fbn::fb_quadratic compute, and their products of packed panels.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cpu/fb_quadratic/factor_rows.h"
#include "cpu/fb_quadratic/patches.h"
#include "cpu/gemm/gemm_tile.h"
#include "cpu/gemm/scratch.h"

namespace fbn {

// A sum over the factors of every class, for the windows x of the map:
//   quadratic        sum_k s_k (f_ok . x)^2
//   not quadratic    - sum_k s_k (f_ok^2 . x^2), the diagonal; `summed` if `rows` are sum_k s_k f_ok^2 [O, D]
template <typename T>
struct FactorSum {
  const Patches& patches;
  const FactorRows& rows;
  const Scale<T>& scale;
  int64_t O, groups;
  bool quadratic, summed;

  int64_t rows_per_group() const { return O / groups * rows.per_class(); }
  int64_t class_of(int64_t row) const { return row / rows.per_class(); }
  // The scale of a row. Classes share scales, so `row` may also be the index of a kept factor.
  T scale_of(int64_t sample, int64_t row) const {
    if (summed) return T(1);
    return scale.at(sample, rows.kept[row < rows.per_class() ? row : row % rows.per_class()]);
  }
  bool squares_rows() const { return !quadratic && !summed; }
};

// Products [O * K, R] that the forward pass keeps for the backward: tiles of up to PANEL factors of a group by PANEL
// positions, one after another, so that both passes access memory in order.
template <typename T>
struct KeptProducts {
  T* data;
  int64_t R, rows_per_group;

  int64_t tile_row(int64_t row) const { return row - row % rows_per_group % PANEL; }
  int64_t rows_in_tile(int64_t row) const {
    return std::min(PANEL, (row / rows_per_group + 1) * rows_per_group - tile_row(row));
  }
  // The first value of a row in a tile with `columns` columns; the row has as many values.
  T* at(int64_t row, int64_t position, int64_t columns) const {
    const int64_t first = tile_row(row);
    return data + first * R + rows_in_tile(row) * position + (row - first) * columns;
  }
};

// Memory that all threads share, allocated by PyTorch so that PyTorch's memory profile includes it.
class SharedScratch {
 public:
  SharedScratch(const torch::stable::Tensor& like, int64_t bytes)
      : tensor_(torch::stable::new_empty(like, {bytes}, torch::headeronly::ScalarType::Byte)) {}
  std::byte* get() const { return static_cast<std::byte*>(tensor_.data_ptr()); }

 private:
  torch::stable::Tensor tensor_;
};

template <typename T>
constexpr Dtype DTYPE_OF = sizeof(T) == sizeof(double) ? Dtype::float64 : Dtype::float32;

inline int64_t ceil_div(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

// Number of positions that are packed at a time: as many as fit into `bytes`, but at least LEAST, since the factors are
// packed again for every portion.
inline int64_t positions_at_a_time(const Patches& patches, int64_t groups, int64_t unit_bytes, int64_t bytes) {
  constexpr int64_t LEAST = 256;
  const int64_t fitting = bytes / std::max<int64_t>(1, groups * patches.D * unit_bytes);
  return std::min(ceil_div(std::max(fitting, LEAST), PANEL), ceil_div(patches.R, PANEL)) * PANEL;
}

// Sets a tile to the product of two panels, or adds the product to it, in steps of DEPTH: parts of both panels of this
// depth stay in the first-level cache from one block of rows to the next.
template <typename T>
void multiply_panels(const TileKernels<T>& kernels, int64_t depth, const std::byte* left, const std::byte* right,
                     T* tile, const Region& region, bool add = false) {
  constexpr int64_t DEPTH = 256;
  for (int64_t first = 0; first < depth; first += DEPTH) {
    const int64_t offset = kernels.units(first) * PANEL * kernels.unit_bytes;
    kernels.multiply(std::min(DEPTH, depth - first), left + offset, right + offset, tile, region, add || first > 0);
  }
}

// Squares the first `depth` units of a panel whose units are single values.
template <typename T>
void square_panel(std::byte* panel, int64_t depth) {
  T* const values = reinterpret_cast<T*>(panel);
  for (int64_t i = 0; i < depth * PANEL; ++i) values[i] *= values[i];
}

}  // namespace fbn
