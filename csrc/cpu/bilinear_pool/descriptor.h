// The bilinear descriptor of an image in memory: the upper triangle of a C x C matrix row by row, or the full matrix.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "cpu/gemm/gemm_tile.h"
#include "cpu/gram/gram.h"

namespace fbn {

// T is const for a read-only descriptor.
template <typename T>
class Descriptor {
 public:
  Descriptor(T* data, int64_t C, bool packed) : data_(data), C_(C), packed_(packed) {}

  static int64_t count(int64_t C, bool packed) { return packed ? C * (C + 1) / 2 : C * C; }

  bool packed() const { return packed_; }

  // Copy the values with j >= i from a tile to the descriptor, and back.
  template <typename U>
  void store(const GramTile& at, const U* tile) const {
    for (int64_t i = 0; i < at.region.rows; ++i) {
      const int64_t first = at.region.upper ? i : 0;
      copy(tile + i * PANEL + first, element(at.i0 + i, at.j0 + first), at.region.columns - first);
    }
  }

  template <typename U>
  void load(const GramTile& at, U* tile) const {
    for (int64_t i = 0; i < at.region.rows; ++i) {
      const int64_t first = at.region.upper ? i : 0;
      copy(element(at.i0 + i, at.j0 + first), tile + i * PANEL + first, at.region.columns - first);
    }
  }

  // Copy the transpose of a tile to the values with j <= i of a full descriptor, and back.
  template <typename U>
  void store_transposed(const GramTile& at, const U* tile) const {
    for (int64_t j = 0; j < at.region.columns; ++j) {
      const int64_t rows = at.region.upper ? j + 1 : at.region.rows;
      T* const row = element(at.j0 + j, at.i0);
      for (int64_t i = 0; i < rows; ++i) row[i] = tile[i * PANEL + j];
    }
  }

  template <typename U>
  void load_transposed(const GramTile& at, U* tile) const {
    for (int64_t j = 0; j < at.region.columns; ++j) {
      const int64_t rows = at.region.upper ? j + 1 : at.region.rows;
      T* const row = element(at.j0 + j, at.i0);
      for (int64_t i = 0; i < rows; ++i) tile[i * PANEL + j] = row[i];
    }
  }

 private:
  T* element(int64_t i, int64_t j) const { return data_ + (packed_ ? i * (2 * C_ - i + 1) / 2 + (j - i) : i * C_ + j); }

  template <typename From, typename To>
  static void copy(const From* from, To* to, int64_t count) {
    if (count == PANEL) {
      std::memcpy(to, from, PANEL * sizeof(To));
    } else {
      std::copy_n(from, count, to);
    }
  }

  T* data_;
  int64_t C_;
  bool packed_;
};

// Sets the values outside the region to 0.
template <typename T>
void clear_outside(const Region& region, T* tile) {
  for (int64_t i = 0; i < PANEL; ++i, tile += PANEL) {
    if (i >= region.rows) {
      std::fill_n(tile, PANEL, T(0));
      continue;
    }
    if (region.upper) std::fill_n(tile, i, T(0));
    std::fill_n(tile + region.columns, PANEL - region.columns, T(0));
  }
}

// Copies the values above the diagonal to the mirrored places below it.
template <typename T>
void mirror(T* tile) {
  for (int64_t i = 0; i < PANEL; ++i) {
    for (int64_t j = 0; j < i; ++j) tile[i * PANEL + j] = tile[j * PANEL + i];
  }
}

}  // namespace fbn
