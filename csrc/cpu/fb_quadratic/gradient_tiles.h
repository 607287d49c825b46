// The arithmetic of the backward pass of fbn::fb_quadratic on tiles of up to PANEL factors by PANEL positions, or by
// PANEL values of a window.
#pragma once

#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/fb_quadratic/factor_sum.h"

namespace fbn {

// Up to PANEL rows of the factors of one group.
struct RowPanel {
  int64_t group, row, count;
};

// Positions `first` and up of the batch, in panels.
template <typename T>
struct GradientPortion {
  GradientPortion(const FactorSum<T>& sum, int64_t first, int64_t count) : first(first), count(count), offsets(count) {
    const int64_t L = sum.patches.L;
    for (int64_t j = 0; j < count; ++j) offsets[j] = (first + j) / L * sum.O * L + (first + j) % L;
  }

  const int64_t first, count;
  // Where each position lies in the first class of [N, O, L].
  std::vector<int64_t> offsets;

  int64_t panels() const { return ceil_div(count, PANEL); }
  int64_t count_of(int64_t panel) const { return std::min(PANEL, count - panel * PANEL); }
};

// The class of each row of a panel, and its scale; where every sample has its own scale, that of the first sample.
template <typename T>
struct RowWeights {
  int64_t classes[PANEL];
  T scales[PANEL];

  RowWeights(const FactorSum<T>& sum, const RowPanel& rows) {
    for (int64_t i = 0; i < rows.count; ++i) {
      classes[i] = sum.class_of(rows.row + i);
      scales[i] = sum.scale_of(0, rows.row + i);
    }
  }
};

// `factors` are the rows f_ok, also where `sum` has other rows; `grad` is g [N, O, L], and `products` are
// `KeptProducts` or null.
template <typename T>
struct GradientTiles {
  const FactorSum<T>& sum;
  const FactorRows& factors;
  const T* grad;
  const T* products;

  // Whether `weigh` expects the products f_i . x_j in the tile.
  bool needs_products() const { return sum.quadratic && products == nullptr; }

  // tile[i][j] = 2 g s (f_i . x_j), with the product from the tile or from the kept products; for the diagonal,
  // tile[i][j] = 2 g s. Loops run over all PANEL columns, so that the compiler vectorises them; columns beyond the
  // last position are set to 0.
  void weigh(const RowWeights<T>& row_weights, const RowPanel& rows, const GradientPortion<T>& portion, int64_t panel,
             T* tile) const {
    const int64_t count = portion.count_of(panel);
    const int64_t position = portion.first + panel * PANEL;
    const int64_t* const offsets = portion.offsets.data() + panel * PANEL;
    const KeptProducts<const T> kept{products, sum.patches.R, sum.rows_per_group()};
    T grads[PANEL] = {}, weights[PANEL], last[PANEL] = {};
    for (int64_t i = 0; i < rows.count; ++i, tile += PANEL) {
      if (i == 0 || row_weights.classes[i] != row_weights.classes[i - 1]) {
        const T* const from = grad + row_weights.classes[i] * sum.patches.L;
        for (int64_t j = 0; j < count; ++j) grads[j] = 2 * from[offsets[j]];
      }
      for (int64_t j = 0; j < PANEL; ++j) weights[j] = grads[j] * row_weights.scales[i];
      for (int64_t j = 0; j < count && sum.scale.by_sample; ++j) {
        weights[j] = grads[j] * sum.scale_of((position + j) / sum.patches.L, rows.row + i);
      }
      if (!sum.quadratic) {
        std::copy_n(weights, PANEL, tile);
      } else if (needs_products()) {
        for (int64_t j = 0; j < PANEL; ++j) tile[j] = j < count ? tile[j] * weights[j] : T(0);
      } else {
        const T* from = kept.at(rows.row + i, position, count);
        if (count < PANEL) {
          std::copy_n(from, count, last);
          from = last;
        }
        for (int64_t j = 0; j < PANEL; ++j) tile[j] = from[j] * weights[j];
      }
    }
  }

  // Adds a tile of p X to the gradient of the weight, for the values of a window from `d` up. For the diagonal of
  // factors that are not summed, subtracts the tile times f_ok: the gradient of f^2 is 2 f, and the 2 is in the tile.
  void add_to_weight(const RowPanel& rows, int64_t d, const Region& region, const T* tile, T* weight_grad) const {
    for (int64_t i = 0; i < region.rows; ++i) {
      const T* const from = tile + i * PANEL;
      const int64_t row = rows.row + i;
      T* const to = weight_grad + (sum.summed ? row : factors.source_row(row)) * sum.patches.D + d;
      if (!sum.squares_rows()) {
        for (int64_t j = 0; j < region.columns; ++j) to[j] += from[j];
        continue;
      }
      factors.with_values<T>(row, [&](const auto* values) {
        for (int64_t j = 0; j < region.columns; ++j) to[j] -= static_cast<T>(values[d + j]) * from[j];
      });
    }
  }

  // columns -= tile * x, or columns = -tile * x if `begins`. Rows of the tile are the values of a window from
  // deep * PANEL up, columns are positions; the rows of `view` are the windows x.
  static void subtract_times_x(const MatrixView& view, int64_t deep, const Region& region, bool begins, const T* tile,
                               T* columns) {
    const auto* const data = static_cast<const std::byte*>(view.data);
    for (int64_t i = 0; i < region.rows; ++i, tile += PANEL, columns += PANEL) {
      T values[PANEL];
      load(data + (deep * PANEL + i) * view.depth_stride * element_bytes(view.dtype), view.dtype, view.row_stride,
           region.columns, values);
      for (int64_t j = 0; j < region.columns; ++j) columns[j] = (begins ? T(0) : columns[j]) - values[j] * tile[j];
    }
  }

 private:
  static void load(const void* from, Dtype dtype, int64_t stride, int64_t count, T* values) {
    const auto copy = [=](const auto* elements) {
      for (int64_t j = 0; j < count; ++j) values[j] = static_cast<T>(elements[j * stride]);
    };
    if (dtype == Dtype::bfloat16) return copy(static_cast<const torch::headeronly::BFloat16*>(from));
    if (dtype == Dtype::float16) return copy(static_cast<const torch::headeronly::Half*>(from));
    copy(static_cast<const T*>(from));
  }
};

}  // namespace fbn
