// The backward pass of fbn::fb_quadratic: the gradients of a sum over factors, portion by portion.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cpu/fb_quadratic/factor_sum.h"
#include "cpu/fb_quadratic/gradient_tiles.h"

namespace fbn {

// For a chunk of the factors and a portion of the positions, computes p = 2 g s (f . x), or p = 2 g s for the diagonal.
// The gradient of the weight is p X, whose panels of factors are divided among threads; the gradient of the map is
// p^T F, whose panels of positions are.
template <typename T>
class GradientPass {
 public:
  // `factors` are the rows f_ok, also where `sum` has other rows; `grad` is [N, O, L]; `products` are `KeptProducts` or
  // null.
  GradientPass(const TileKernels<T>& kernels, const FactorSum<T>& sum, const FactorRows& factors, const T* grad,
               const T* products)
      : kernels_(kernels),
        sum_(sum),
        patches_(sum.patches),
        tiles_{sum, factors, grad, products},
        deep_(ceil_div(sum.patches.D, PANEL)),
        window_bytes_(kernels.panel_bytes(sum.patches.D)) {
    for (int64_t group = 0; group < sum.groups; ++group) {
      const int64_t end = (group + 1) * sum.rows_per_group();
      for (int64_t row = group * sum.rows_per_group(); row < end; row += PANEL) {
        row_panels_.push_back({group, row, std::min(PANEL, end - row)});
      }
    }
  }

  // Adds to the gradient of the map, whose memory `x_grad` describes, and to `weight_grad` [O, K, D]; either may be
  // null. If the rows are summed, `weight_grad` is [O, D], and the caller multiplies it by the factors.
  void compute(const torch::stable::Tensor& like, const Patches* x_grad, T* weight_grad) const {
    const int64_t most = positions_at_a_time(patches_, sum_.groups, sizeof(T), PACKED_BYTES);
    const int64_t chunk = std::max<int64_t>(CHUNK_PANELS, 2 * torch::stable::get_num_threads());
    const Memory memory(*this, like, most, chunk, x_grad != nullptr, weight_grad != nullptr);
    const int64_t panels = static_cast<int64_t>(row_panels_.size());
    for (int64_t first = 0; first < patches_.R; first += most) {
      const GradientPortion<T> portion(sum_, first, std::min(most, patches_.R - first));
      pack_windows(memory, portion, weight_grad != nullptr);
      for (int64_t begin = 0; begin < panels; begin += chunk) {
        const int64_t end = std::min(panels, begin + chunk);
        work_on_factors(memory, portion, begin, end, x_grad != nullptr, weight_grad);
        if (x_grad != nullptr) work_on_positions(memory, portion, begin, end);
      }
      if (x_grad != nullptr) scatter(memory, portion, *x_grad);
    }
  }

 private:
  static constexpr int64_t PACKED_BYTES = 768 * 1024;
  static constexpr int64_t CHUNK_PANELS = 8;

  // Memory that all threads share, for a portion of up to `positions` positions and a chunk of `chunk` row panels.
  struct Memory {
    Memory(const GradientPass& pass, const torch::stable::Tensor& like, int64_t positions, int64_t chunk, bool wants_x,
           bool wants_weight)
        : most(positions / PANEL),
          deep_bytes(pass.kernels_.panel_bytes(positions)),
          chunk_bytes(pass.kernels_.panel_bytes(chunk * PANEL)),
          windows(like, pass.tiles_.needs_products() ? pass.sum_.groups * most * pass.window_bytes_ : 0),
          turned_windows(like, wants_weight ? pass.sum_.groups * pass.deep_ * deep_bytes : 0),
          turned_products(like, wants_x ? most * chunk_bytes : 0),
          turned_factors(like, wants_x ? pass.deep_ * chunk_bytes : 0),
          columns(like, wants_x ? pass.sum_.groups * most * pass.deep_ * TILE * sizeof(T) : 0) {}

    // Panels of positions in a portion; bytes of a panel as deep as its positions, and as the chunk's factors.
    const int64_t most, deep_bytes, chunk_bytes;
    // The panels of               rows                  depth
    //   windows                   positions             values of a window (D)
    //   turned_windows            values of a window    positions
    //   turned_products           positions             the chunk's factors
    //   turned_factors            values of a factor    the chunk's factors
    // `columns` are the gradients [D, PANEL] of the windows of each panel of positions.
    SharedScratch windows, turned_windows, turned_products, turned_factors, columns;
  };

  T* columns_of(const Memory& memory, int64_t group, int64_t panel) const {
    return reinterpret_cast<T*>(memory.columns.get()) + (group * memory.most + panel) * deep_ * TILE;
  }
  int64_t values_in(int64_t deep) const { return std::min(PANEL, patches_.D - deep * PANEL); }
  int64_t offset_of(int64_t depth) const { return kernels_.units(depth) * PANEL * kernels_.unit_bytes; }

  // The transpose of a view, from its depth deep * PANEL up.
  static MatrixView turn(const MatrixView& view, int64_t deep) {
    const auto* const data = static_cast<const std::byte*>(view.data);
    return {data + deep * PANEL * view.depth_stride * element_bytes(view.dtype), view.dtype, view.depth_stride,
            view.row_stride};
  }

  void pack_windows(const Memory& memory, const GradientPortion<T>& portion, bool wants_weight) const {
    if (!tiles_.needs_products() && !wants_weight) return;
    torch::stable::parallel_for(0, sum_.groups * portion.panels(), 1, [&](int64_t begin, int64_t end) {
      const Scratch<std::byte> gathered(PANEL * patches_.D * sizeof(T));
      for (int64_t work = begin; work < end; ++work) {
        const int64_t group = work / portion.panels();
        const int64_t panel = work % portion.panels();
        const int64_t count = portion.count_of(panel);
        const MatrixView view = patches_.gather(group, portion.first + panel * PANEL, count, gathered.get());
        if (tiles_.needs_products()) {
          kernels_.pack(view, count, patches_.D, memory.windows.get() + (group * memory.most + panel) * window_bytes_);
        }
        for (int64_t deep = 0; deep < deep_ && wants_weight; ++deep) {
          std::byte* const turned =
              memory.turned_windows.get() + (group * deep_ + deep) * memory.deep_bytes + offset_of(panel * PANEL);
          kernels_.pack(turn(view, deep), values_in(deep), count, turned);
          if (!sum_.quadratic) square_panel<T>(turned, count);
        }
      }
    });
  }

  void work_on_factors(const Memory& memory, const GradientPortion<T>& portion, int64_t first, int64_t last,
                       bool wants_x, T* weight_grad) const {
    torch::stable::parallel_for(first, last, 1, [&](int64_t begin, int64_t end) {
      const Scratch<std::byte> gathered(PANEL * patches_.D * sizeof(T));
      const Scratch<std::byte> packed(tiles_.needs_products() ? window_bytes_ : 1);
      const Scratch<std::byte> weighted(weight_grad != nullptr ? memory.deep_bytes : 1);
      const Scratch<T> tile(TILE);
      for (int64_t index = begin; index < end; ++index) {
        const RowPanel& rows = row_panels_[index];
        const RowWeights<T> weights(sum_, rows);
        const int64_t depth = (index - first) * PANEL;
        const MatrixView view = sum_.rows.gather(rows.row, rows.count, gathered.get());
        if (tiles_.needs_products()) kernels_.pack(view, rows.count, patches_.D, packed.get());
        for (int64_t panel = 0; panel < portion.panels(); ++panel) {
          const int64_t count = portion.count_of(panel);
          const std::byte* const windows = memory.windows.get() + (rows.group * memory.most + panel) * window_bytes_;
          // A tile of factors by positions has the layout of a panel of positions whose depth is the factors.
          T* const products =
              !wants_x
                  ? tile.get()
                  : reinterpret_cast<T*>(memory.turned_products.get() + panel * memory.chunk_bytes + offset_of(depth));
          if (tiles_.needs_products()) {
            multiply_panels(kernels_, patches_.D, packed.get(), windows, products, {rows.count, count, false});
          }
          tiles_.weigh(weights, rows, portion, panel, products);
          if (weight_grad != nullptr) {
            std::byte* const to = weighted.get() + offset_of(panel * PANEL);
            kernels_.pack({products, DTYPE_OF<T>, PANEL, 1}, rows.count, count, to);
          }
        }
        for (int64_t deep = 0; deep < deep_; ++deep) {
          if (wants_x) {
            std::byte* const to = memory.turned_factors.get() + deep * memory.chunk_bytes + offset_of(depth);
            kernels_.pack(turn(view, deep), values_in(deep), rows.count, to);
            if (sum_.squares_rows()) square_panel<T>(to, rows.count);
          }
          if (weight_grad != nullptr) {
            const std::byte* const windows =
                memory.turned_windows.get() + (rows.group * deep_ + deep) * memory.deep_bytes;
            const Region region{rows.count, values_in(deep), false};
            multiply_panels(kernels_, portion.count, weighted.get(), windows, tile.get(), region);
            tiles_.add_to_weight(rows, deep * PANEL, region, tile.get(), weight_grad);
          }
        }
      }
    });
  }

  // Adds p^T F to the columns; for the diagonal, subtracts p^T F times x.
  void work_on_positions(const Memory& memory, const GradientPortion<T>& portion, int64_t first, int64_t last) const {
    torch::stable::parallel_for(0, portion.panels(), 1, [&](int64_t begin, int64_t end) {
      const Scratch<std::byte> gathered(PANEL * patches_.D * sizeof(T));
      const Scratch<T> tile(TILE);
      for (int64_t panel = begin; panel < end; ++panel) {
        const int64_t count = portion.count_of(panel);
        for (int64_t index = first; index < last;) {
          const int64_t group = row_panels_[index].group;
          const int64_t start = (index - first) * PANEL;
          int64_t depth = 0;
          for (; index < last && row_panels_[index].group == group; ++index) depth += row_panels_[index].count;
          const bool begins = row_panels_[first + start / PANEL].row == group * sum_.rows_per_group();
          const MatrixView view = sum_.quadratic
                                      ? MatrixView{}
                                      : patches_.gather(group, portion.first + panel * PANEL, count, gathered.get());
          const std::byte* const products =
              memory.turned_products.get() + panel * memory.chunk_bytes + offset_of(start);
          for (int64_t deep = 0; deep < deep_; ++deep) {
            const std::byte* const factors = memory.turned_factors.get() + deep * memory.chunk_bytes + offset_of(start);
            const Region region{values_in(deep), count, false};
            T* const columns = columns_of(memory, group, panel) + deep * TILE;
            if (sum_.quadratic) {
              multiply_panels(kernels_, depth, factors, products, columns, region, !begins);
            } else {
              multiply_panels(kernels_, depth, factors, products, tile.get(), region);
              tiles_.subtract_times_x(view, deep, region, begins, tile.get(), columns);
            }
          }
        }
      }
    });
  }

  void scatter(const Memory& memory, const GradientPortion<T>& portion, const Patches& x_grad) const {
    const int64_t panels = portion.panels();
    // Overlapping windows add to the same values, so work is divided by channels then.
    const int64_t parts = patches_.is_pointwise ? panels : patches_.channels;
    torch::stable::parallel_for(0, sum_.groups * parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t work = begin; work < end; ++work) {
        const int64_t group = work / parts;
        const int64_t part = work % parts;
        for (int64_t panel = patches_.is_pointwise ? part : 0; panel < (patches_.is_pointwise ? part + 1 : panels);
             ++panel) {
          const int64_t c = patches_.is_pointwise ? 0 : part;
          x_grad.scatter<T>(group, portion.first + panel * PANEL, portion.count_of(panel), c,
                            patches_.is_pointwise ? patches_.channels : part + 1, columns_of(memory, group, panel));
        }
      }
    });
  }

  const TileKernels<T>& kernels_;
  const FactorSum<T>& sum_;
  const Patches& patches_;
  const GradientTiles<T> tiles_;
  const int64_t deep_, window_bytes_;
  std::vector<RowPanel> row_panels_;
};

}  // namespace fbn
