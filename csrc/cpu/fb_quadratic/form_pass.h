// The forward pass of fbn::fb_quadratic: a sum over factors, tile by tile, without storing the products.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/fb_quadratic/factor_sum.h"

namespace fbn {

// Windows are packed once for all classes, in portions. A thread packs the factors of a block of classes, and squares
// and sums each tile of products while it is in the first-level cache.
template <typename T>
class FormPass {
 public:
  FormPass(const TileKernels<T>& kernels, const FactorSum<T>& sum)
      : kernels_(kernels),
        sum_(sum),
        patches_(sum.patches),
        panel_bytes_(kernels.panel_bytes(sum.patches.D)),
        classes_per_block_(choose_classes()) {}

  // Sets out [N, O, L] to the sum, or adds the sum to it. Stores the products if `products` is not null.
  void compute(const torch::stable::Tensor& like, bool add, T* out, T* products) const {
    const int64_t most = positions_at_a_time(patches_, sum_.groups, kernels_.unit_bytes, PACKED_BYTES);
    const SharedScratch windows(like, sum_.groups * most / PANEL * panel_bytes_);
    for (int64_t first = 0; first < patches_.R; first += most) {
      const Portion portion{first, std::min(most, patches_.R - first), windows.get()};
      pack_windows(portion);
      add_portion(portion, add, out, products);
    }
  }

 private:
  static constexpr int64_t PACKED_BYTES = 2 * 1024 * 1024;
  // Size of a block of packed factors: it stays in the second-level cache while all windows are multiplied with it.
  static constexpr int64_t BLOCK_BYTES = 256 * 1024;

  struct Portion {
    int64_t first, count;
    std::byte* windows;

    int64_t panels() const { return ceil_div(count, PANEL); }
  };

  // The memory of a thread.
  struct Worker {
    Worker(const FormPass& pass)
        : factors(pass.panels_per_block() * pass.panel_bytes_),
          gathered(PANEL * pass.patches_.D * sizeof(T)),
          tile(TILE),
          sums(pass.classes_per_block_ * PANEL),
          scales(pass.sum_.rows.per_class() * PANEL) {}

    Scratch<std::byte> factors, gathered;
    Scratch<T> tile, sums, scales;
  };

  // Rows are multiplied in blocks of eight: the number of classes, among those that fit, with the fewest unused rows.
  int64_t choose_classes() const {
    const int64_t K = sum_.rows.per_class();
    const int64_t each = sum_.O / sum_.groups;
    const int64_t fitting = std::max<int64_t>(BLOCK_BYTES / panel_bytes_, 1) * PANEL / K;
    int64_t best = 1;
    const auto wasted = [K](int64_t classes) { return double(ceil_div(classes * K, 8) * 8) / double(classes * K); };
    for (int64_t classes = 2; classes <= std::min(fitting, each); ++classes) {
      if (wasted(classes) <= wasted(best)) best = classes;
    }
    return best;
  }

  int64_t panels_per_block() const { return ceil_div(classes_per_block_ * sum_.rows.per_class(), PANEL); }

  void pack_windows(const Portion& portion) const {
    torch::stable::parallel_for(0, sum_.groups * portion.panels(), 1, [&](int64_t begin, int64_t end) {
      const Scratch<std::byte> gathered(PANEL * patches_.D * sizeof(T));
      for (int64_t work = begin; work < end; ++work) {
        const int64_t position = work % portion.panels() * PANEL;
        const int64_t count = std::min(PANEL, portion.count - position);
        std::byte* const panel = portion.windows + work * panel_bytes_;
        kernels_.pack(patches_.gather(work / portion.panels(), portion.first + position, count, gathered.get()), count,
                      patches_.D, panel);
        if (!sum_.quadratic) square_panel<T>(panel, patches_.D);
      }
    });
  }

  void add_portion(const Portion& portion, bool add, T* out, T* products) const {
    const int64_t each = sum_.O / sum_.groups;
    const int64_t blocks = ceil_div(each, classes_per_block_);
    const int64_t panels = portion.panels();
    torch::stable::parallel_for(0, sum_.groups * blocks * panels, 1, [&](int64_t begin, int64_t end) {
      const Worker worker(*this);
      int64_t packed = -1;
      for (int64_t work = begin; work < end; ++work) {
        const int64_t block = work / panels;
        const int64_t group = block / blocks;
        const int64_t first = group * each + block % blocks * classes_per_block_;
        const int64_t classes = std::min(classes_per_block_, (group + 1) * each - first);
        if (block != packed) pack_factors(worker, first, classes);
        packed = block;
        const std::byte* const windows = portion.windows + (group * panels + work % panels) * panel_bytes_;
        const int64_t position = work % panels * PANEL;
        const int64_t count = std::min(PANEL, portion.count - position);
        sum_tiles(worker, first, classes, windows, portion.first + position, count, products);
        store(worker, first, classes, portion.first + position, count, add, out);
      }
    });
  }

  void pack_factors(const Worker& worker, int64_t first, int64_t classes) const {
    const int64_t begin = first * sum_.rows.per_class();
    const int64_t end = begin + classes * sum_.rows.per_class();
    std::byte* panel = worker.factors.get();
    for (int64_t row = begin; row < end; row += PANEL, panel += panel_bytes_) {
      const int64_t count = std::min(PANEL, end - row);
      kernels_.pack(sum_.rows.gather(row, count, worker.gathered.get()), count, patches_.D, panel);
      if (sum_.squares_rows()) square_panel<T>(panel, patches_.D);
    }
  }

  void sum_tiles(const Worker& worker, int64_t first, int64_t classes, const std::byte* windows, int64_t position,
                 int64_t count, T* products) const {
    const int64_t K = sum_.rows.per_class();
    const int64_t begin = first * K;
    const int64_t end = begin + classes * K;
    std::fill_n(worker.sums.get(), classes * PANEL, T(0));
    if (sum_.scale.by_sample) load_scales(worker, position, count);
    const std::byte* panel = worker.factors.get();
    T* sums = worker.sums.get();
    int64_t k = 0;
    for (int64_t row = begin; row < end; row += PANEL, panel += panel_bytes_) {
      const Region region{std::min(PANEL, end - row), count, false};
      T* const tile = worker.tile.get();
      multiply_panels(kernels_, patches_.D, panel, windows, tile, region);
      if (products != nullptr) keep_tile(tile, region, row, position, {products, patches_.R, sum_.rows_per_group()});
      for (int64_t i = 0; i < region.rows; ++i) {
        add_row(worker, tile + i * PANEL, k, sums);
        if (++k < K) continue;
        k = 0;
        sums += PANEL;
      }
    }
  }

  // A block's panels begin at its first class, so a panel may overlap two tiles of kept products.
  void keep_tile(const T* tile, const Region& region, int64_t row, int64_t position,
                 const KeptProducts<T>& kept) const {
    for (int64_t i = 0, rows; i < region.rows; i += rows) {
      rows = std::min(region.rows - i, kept.tile_row(row + i) + kept.rows_in_tile(row + i) - (row + i));
      const MutableMatrixView target{kept.at(row + i, position, region.columns), DTYPE_OF<T>, region.columns, 1};
      kernels_.write(tile + i * PANEL, {rows, region.columns, false}, T(1), target);
    }
  }

  // Adds the contribution of the k-th factor of a class.
  void add_row(const Worker& worker, const T* products, int64_t k, T* sums) const {
    if (sum_.scale.by_sample) {
      const T* const scales = worker.scales.get() + k * PANEL;
      for (int64_t j = 0; j < PANEL; ++j) {
        sums[j] += sum_.quadratic ? scales[j] * products[j] * products[j] : -scales[j] * products[j];
      }
      return;
    }
    const T scale = sum_.scale_of(0, k);
    if (sum_.quadratic) {
      for (int64_t j = 0; j < PANEL; ++j) sums[j] += scale * products[j] * products[j];
    } else {
      for (int64_t j = 0; j < PANEL; ++j) sums[j] -= scale * products[j];
    }
  }

  // The scale of every factor at every position of a panel.
  void load_scales(const Worker& worker, int64_t position, int64_t count) const {
    for (int64_t k = 0; k < sum_.rows.per_class(); ++k) {
      for (int64_t j = 0; j < PANEL; ++j) {
        worker.scales.get()[k * PANEL + j] = j < count ? sum_.scale_of((position + j) / patches_.L, k) : T(0);
      }
    }
  }

  void store(const Worker& worker, int64_t first, int64_t classes, int64_t position, int64_t count, bool add,
             T* out) const {
    for (int64_t j = 0; j < count; ++j) {
      const int64_t image = (position + j) / patches_.L;
      T* const to = out + (image * sum_.O + first) * patches_.L + (position + j) % patches_.L;
      const T* const sums = worker.sums.get() + j;
      for (int64_t o = 0; o < classes; ++o) to[o * patches_.L] = sums[o * PANEL] + (add ? to[o * patches_.L] : T(0));
    }
  }

  const TileKernels<T>& kernels_;
  const FactorSum<T>& sum_;
  const Patches& patches_;
  const int64_t panel_bytes_;
  const int64_t classes_per_block_;
};

}  // namespace fbn
