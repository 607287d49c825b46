// The functions of `TileKernels`, written once for the vectors V of every instruction set.
//
// A panel is units[depth][PANEL]: at every unit of depth the PANEL rows side by side, so that a product loads vectors
// of rows of b, and broadcasts single rows of a.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/gemm/gemm_tile.h"
#include "cpu/gemm/plain_units.h"

namespace fbn {
namespace {

// Rows are contiguous along depth: blocks of width x width units are transposed in registers.
template <class V, class Element>
void pack_along(const Element* from, int64_t stride, int64_t rows, int64_t depth, typename V::Unit* panel) {
  constexpr int64_t W = V::width;
  constexpr int64_t SPAN = W * V::depth_per_unit;
  for (int64_t row = 0; row < PANEL; row += W) {
    for (int64_t k = 0; k < depth; k += SPAN) {
      typename V::Vector block[W];
      if (row + W <= rows && k + SPAN <= depth) {
        for (int64_t i = 0; i < W; ++i) block[i] = V::load_along(from + (row + i) * stride + k);
      } else {
        alignas(64) Element edge[W * SPAN] = {};
        const int64_t length = depth - k < SPAN ? depth - k : SPAN;
        for (int64_t i = 0; i < W && row + i < rows; ++i) {
          std::memcpy(edge + i * SPAN, from + (row + i) * stride + k, length * sizeof(Element));
        }
        for (int64_t i = 0; i < W; ++i) block[i] = V::load_along(edge + i * SPAN);
      }
      V::transpose(block);
      // Units beyond the depth fit: the length of a panel is a multiple of UNITS, and no vector is wider than UNITS.
      typename V::Unit* const to = panel + k / V::depth_per_unit * PANEL + row;
      for (int64_t i = 0; i < W; ++i) V::store_units(to + i * PANEL, block[i]);
    }
  }
}

// Rows are contiguous at each depth.
template <class V, class Element>
void pack_across(const Element* from, int64_t stride, int64_t rows, int64_t depth, typename V::Unit* panel) {
  constexpr int64_t W = V::width;
  for (int64_t k = 0; k < depth; k += V::depth_per_unit, panel += PANEL) {
    const Element* const now = from + k * stride;
    const Element* const next = V::depth_per_unit == 2 && k + 1 < depth ? now + stride : nullptr;
    int64_t row = 0;
    for (; row + W <= rows; row += W) {
      V::store_units(panel + row, V::load_across(now + row, next == nullptr ? nullptr : next + row));
    }
    for (; row < rows; ++row) panel[row] = V::unit(now + row, next == nullptr ? nullptr : next + row);
    for (; row < PANEL; ++row) panel[row] = 0;
  }
}

template <class V, class Element>
void pack_elements(const MatrixView& source, int64_t rows, int64_t depth, typename V::Unit* panel) {
  const auto* const from = static_cast<const Element*>(source.data);
  if (source.row_stride == 1) return pack_across<V>(from, source.depth_stride, rows, depth, panel);
  if (source.depth_stride == 1) return pack_along<V>(from, source.row_stride, rows, depth, panel);
  for (int64_t k = 0; k < depth; k += V::depth_per_unit, panel += PANEL) {
    for (int64_t row = 0; row < PANEL; ++row) {
      const Element* const now = from + row * source.row_stride + k * source.depth_stride;
      const Element* const next = V::depth_per_unit == 2 && k + 1 < depth ? now + source.depth_stride : nullptr;
      panel[row] = row < rows ? V::unit(now, next) : 0;
    }
  }
}

template <class V>
void pack(const MatrixView& source, int64_t rows, int64_t depth, void* panel) {
  auto* const units = static_cast<typename V::Unit*>(panel);
  if constexpr (sizeof(typename V::Scalar) == sizeof(double)) {
    return pack_elements<V, double>(source, rows, depth, units);
  } else {
    if (source.dtype == Dtype::float32) return pack_elements<V, float>(source, rows, depth, units);
    if (source.dtype == Dtype::bfloat16) return pack_elements<V, BFloat16>(source, rows, depth, units);
    if constexpr (V::depth_per_unit == 1) pack_elements<V, Half>(source, rows, depth, units);
  }
}

// block_rows x COLUMNS vectors of a tile, accumulated in registers.
template <class V, int64_t COLUMNS>
void multiply_block(int64_t units, const typename V::Unit* a, const typename V::Unit* b, typename V::Scalar* tile,
                    bool add) {
  typename V::Vector sums[V::block_rows][COLUMNS];
#pragma GCC unroll 8
  for (int64_t i = 0; i < V::block_rows; ++i) {
#pragma GCC unroll 4
    for (int64_t j = 0; j < COLUMNS; ++j) sums[i][j] = add ? V::load(tile + i * PANEL + j * V::width) : V::fill(0);
  }
  for (int64_t k = 0; k < units; ++k, a += PANEL, b += PANEL) {
    typename V::Vector right[COLUMNS];
#pragma GCC unroll 4
    for (int64_t j = 0; j < COLUMNS; ++j) right[j] = V::load_units(b + j * V::width);
#pragma GCC unroll 8
    for (int64_t i = 0; i < V::block_rows; ++i) {
      const typename V::Vector left = V::fill_unit(a + i);
#pragma GCC unroll 4
      for (int64_t j = 0; j < COLUMNS; ++j) sums[i][j] = V::dot(left, right[j], sums[i][j]);
    }
  }
#pragma GCC unroll 8
  for (int64_t i = 0; i < V::block_rows; ++i) {
#pragma GCC unroll 4
    for (int64_t j = 0; j < COLUMNS; ++j) V::store(tile + i * PANEL + j * V::width, sums[i][j]);
  }
}

template <class V>
void multiply(int64_t depth, const void* left, const void* right, typename V::Scalar* tile, Region region, bool add) {
  constexpr int64_t W = V::width;
  const auto* const a = static_cast<const typename V::Unit*>(left);
  const auto* const b = static_cast<const typename V::Unit*>(right);
  const int64_t units = (depth + V::depth_per_unit - 1) / V::depth_per_unit;
  const int64_t end = (region.columns + W - 1) / W * W;
  for (int64_t i = 0; i < region.rows; i += V::block_rows) {
    typename V::Scalar* const row = tile + i * PANEL;
    for (int64_t j = region.upper ? i / W * W : 0; j < end;) {
      if (j + V::block_columns * W <= end) {
        multiply_block<V, V::block_columns>(units, a + i, b + j, row + j, add);
        j += V::block_columns * W;
      } else {
        multiply_block<V, 1>(units, a + i, b + j, row + j, add);
        j += W;
      }
    }
  }
}

template <class V>
typename V::Scalar sum_lanes(typename V::Vector v) {
  alignas(64) typename V::Scalar lanes[V::width];
  V::store(lanes, v);
  for (int64_t i = 1; i < V::width; ++i) lanes[0] += lanes[i];
  return lanes[0];
}

template <class V>
SquaredSums squared_sums(const void* panels, int64_t count, int64_t stride, int64_t depth) {
  const int64_t units = (depth + V::depth_per_unit - 1) / V::depth_per_unit;
  double total = 0;
  typename V::Vector lowest = V::fill(0);
  for (int64_t k = 0; k < units; ++k) {
    typename V::Vector sums[2] = {V::fill(0), V::fill(0)};
    for (int64_t panel = 0; panel < count; ++panel) {
      const char* const at = static_cast<const char*>(panels) + panel * stride;
      const auto* const row = reinterpret_cast<const typename V::Unit*>(at) + k * PANEL;
      for (int64_t i = 0; i < PANEL; i += V::width) {
        const typename V::Vector loaded = V::load_units(row + i);
        sums[0] = V::add(sums[0], V::first(loaded));
        lowest = V::min(V::first(loaded), lowest);
        if constexpr (V::depth_per_unit == 2) {
          sums[1] = V::add(sums[1], V::second(loaded));
          lowest = V::min(V::second(loaded), lowest);
        }
      }
    }
    for (const typename V::Vector& each : sums) {
      const double sum = sum_lanes<V>(each);
      total += sum * sum;
    }
  }
  alignas(64) typename V::Scalar lanes[V::width];
  V::store(lanes, lowest);
  for (const typename V::Scalar lane : lanes) lanes[0] = lane < lanes[0] ? lane : lanes[0];
  return {total, lanes[0]};
}

template <class V, class Element>
void write_elements(const typename V::Scalar* tile, Region region, typename V::Scalar factor,
                    const MutableMatrixView& target) {
  const typename V::Vector factors = V::fill(factor);
  for (int64_t i = 0; i < region.rows; ++i, tile += PANEL) {
    Element* const row = static_cast<Element*>(target.data) + i * target.row_stride;
    int64_t j = 0;
    if (target.column_stride == 1) {
      for (; j + V::width <= region.columns; j += V::width) {
        V::store(row + j, V::multiply(V::load(tile + j), factors));
      }
    }
    for (; j < region.columns; ++j) row[j * target.column_stride] = static_cast<Element>(tile[j] * factor);
  }
}

template <class V>
void write(const typename V::Scalar* tile, Region region, typename V::Scalar factor, const MutableMatrixView& target) {
  if constexpr (sizeof(typename V::Scalar) == sizeof(double)) {
    write_elements<V, double>(tile, region, factor, target);
  } else if (target.dtype == Dtype::bfloat16) {
    write_elements<V, BFloat16>(tile, region, factor, target);
  } else if (target.dtype == Dtype::float16) {
    write_elements<V, Half>(tile, region, factor, target);
  } else {
    write_elements<V, float>(tile, region, factor, target);
  }
}

template <class V>
constexpr TileKernels<typename V::Scalar> make_tile_kernels() {
  return {V::depth_per_unit, sizeof(typename V::Unit), pack<V>, multiply<V>, squared_sums<V>, write<V>};
}

}  // namespace
}  // namespace fbn
