// Products H X of a symmetric matrix H [C, C] and a feature map X [C, L]: the backward of every op on G = X X^T.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/gemm/gemm_tile.h"
#include "cpu/gemm/scratch.h"
#include "cpu/gram/feature_map.h"
#include "cpu/gram/gram.h"

namespace fbn {

// Computes products of the same shape as `map`, in the memory of a single thread: panels of H, and of a few columns of
// X.
template <typename T>
class SymmetricProduct {
 public:
  SymmetricProduct(const TileKernels<T>& kernels, const FeatureMap& map, const FeatureMap& result)
      : kernels_(kernels),
        map_(map),
        result_(result),
        panels_((map.C + PANEL - 1) / PANEL),
        panel_bytes_(kernels.panel_bytes(panels_ * PANEL)),
        group_(std::clamp<int64_t>(GROUP_BYTES / panel_bytes_, 1, count_columns(map.L))),
        symmetric_(panels_ * panel_bytes_),
        columns_(group_ * panel_bytes_),
        tile_(TILE) {}

  // Columns of X are worked on in blocks of PANEL.
  static int64_t count_columns(int64_t L) { return (L + PANEL - 1) / PANEL; }

  // `fill(at, tile)` sets a tile of the upper triangle of H: values in its region, zeros outside; a tile on the
  // diagonal gets both of its triangles. The column blocks `part` of the result are set to H X * factor.
  template <class Fill>
  void compute(int64_t image, Part part, T factor, Fill&& fill) {
    for (int64_t column = 0; column < panels_; ++column) {
      for (int64_t row = 0; row <= column; ++row) {
        fill(GramTile(map_.C, row, column), tile_.get());
        place(row, column);
      }
    }
    for (int64_t first = part.begin; first < part.end; first += group_) {
      multiply_group(image, first, std::min(group_, part.end - first), factor);
    }
  }

 private:
  // Size of a group of columns: it stays in the second-level cache while all of H is multiplied with it.
  static constexpr int64_t GROUP_BYTES = 256 * 1024;
  // Two panels of this depth stay in the first-level cache from one block of rows to the next.
  static constexpr int64_t MULTIPLIED_DEPTH = 256;

  // Packs the tile into the panel of its rows at the depth of its columns, and its transpose into the panel of its
  // columns at the depth of its rows.
  void place(int64_t row, int64_t column) {
    const int64_t block = kernels_.units(PANEL) * PANEL * kernels_.unit_bytes;
    kernels_.pack({tile_.get(), TILE_DTYPE, PANEL, 1}, PANEL, PANEL, symmetric_panel(row) + column * block);
    if (row == column) return;
    kernels_.pack({tile_.get(), TILE_DTYPE, 1, PANEL}, PANEL, PANEL, symmetric_panel(column) + row * block);
  }

  void multiply_group(int64_t image, int64_t first, int64_t count, T factor) {
    for (int64_t index = 0; index < count; ++index) {
      const int64_t position = (first + index) * PANEL;
      const MatrixView rows{map_.at(image, 0, position), map_.dtype, map_.position_stride, map_.channel_stride};
      kernels_.pack(rows, std::min(PANEL, map_.L - position), map_.C, column_panel(index));
    }
    for (int64_t row = 0; row < panels_; ++row) {
      for (int64_t index = 0; index < count; ++index) multiply(image, row, first + index, column_panel(index), factor);
    }
  }

  // Writing along rows of a tile is fast, so the rows of the tile run along the contiguous dimension of the result.
  void multiply(int64_t image, int64_t row, int64_t column, const std::byte* right, T factor) {
    const int64_t channel = row * PANEL;
    const int64_t position = column * PANEL;
    const int64_t channels = std::min(PANEL, map_.C - channel);
    const int64_t positions = std::min(PANEL, map_.L - position);
    std::byte* const target = result_.at(image, channel, position);
    if (result_.channel_stride == 1 && result_.position_stride != 1) {
      const Region region{positions, channels};
      multiply(right, symmetric_panel(row), region);
      kernels_.write(tile_.get(), region, factor,
                     {target, result_.dtype, result_.position_stride, result_.channel_stride});
    } else {
      const Region region{channels, positions};
      multiply(symmetric_panel(row), right, region);
      kernels_.write(tile_.get(), region, factor,
                     {target, result_.dtype, result_.channel_stride, result_.position_stride});
    }
  }

  void multiply(const std::byte* left, const std::byte* right, const Region& region) {
    for (int64_t first = 0; first < map_.C; first += MULTIPLIED_DEPTH) {
      const int64_t offset = kernels_.units(first) * PANEL * kernels_.unit_bytes;
      const int64_t depth = std::min(MULTIPLIED_DEPTH, map_.C - first);
      kernels_.multiply(depth, left + offset, right + offset, tile_.get(), region, first > 0);
    }
  }

  static constexpr Dtype TILE_DTYPE = sizeof(T) == sizeof(double) ? Dtype::float64 : Dtype::float32;

  std::byte* symmetric_panel(int64_t index) const { return symmetric_.get() + index * panel_bytes_; }
  std::byte* column_panel(int64_t index) const { return columns_.get() + index * panel_bytes_; }

  const TileKernels<T>& kernels_;
  const FeatureMap& map_;
  const FeatureMap& result_;
  const int64_t panels_;
  const int64_t panel_bytes_;
  const int64_t group_;
  const Scratch<std::byte> symmetric_;
  const Scratch<std::byte> columns_;
  const Scratch<T> tile_;
};

}  // namespace fbn
