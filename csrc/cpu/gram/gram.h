// The upper triangle of the Gram matrix G = X X^T of one feature map, tile by tile.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/gemm/gemm_tile.h"
#include "cpu/gemm/scratch.h"
#include "cpu/gram/feature_map.h"

namespace fbn {

// A tile of G whose first value is (i0, j0), j0 >= i0; the region is `upper` on the diagonal.
struct GramTile {
  int64_t i0, j0;
  Region region;

  GramTile(int64_t C, int64_t row, int64_t column)
      : i0(row * PANEL), j0(column * PANEL), region{std::min(PANEL, C - i0), std::min(PANEL, C - j0), row == column} {}
};

// Computes Gram matrices of maps of the same shape as `map`, in the memory of a single thread.
//
// Depth (positions) is cut into chunks whose panels of all channels fit into the second-level cache. Every tile is
// multiplied over a chunk before the next chunk is packed. Small maps, of 14 x 14 positions for instance, are a single
// chunk; with more chunks the sink stores partial sums, in memory that it allocates anyway.
template <typename T>
class Gram {
 public:
  Gram(const TileKernels<T>& kernels, const FeatureMap& map)
      : kernels_(kernels),
        map_(map),
        panels_((map.C + PANEL - 1) / PANEL),
        chunks_(count_chunks()),
        chunk_depth_(kernels.units((map.L + chunks_ - 1) / chunks_) * kernels.depth_per_unit),
        panel_bytes_(kernels.panel_bytes(chunk_depth_)),
        packed_(panels_ * panel_bytes_),
        tile_(TILE) {}

  int64_t chunks() const { return chunks_; }

  static int64_t count_tiles(int64_t C) {
    const int64_t panels = (C + PANEL - 1) / PANEL;
    return panels * (panels + 1) / 2;
  }

  // Calls the sink with every tile of `part`; tiles are numbered along the rows of the triangle of tiles.
  //   packed(sums)      after each chunk is packed, if `Sink::wants_sums`: SquaredSums of the chunk;
  //   store(at, tile)   stores partial sums;
  //   load(at, tile)    loads these partial sums into the tile;
  //   finish(at, tile)  receives the sums over all chunks.
  template <class Sink>
  void compute(int64_t image, Part part, Sink& sink) {
    for (int64_t chunk = 0; chunk < chunks_; ++chunk) {
      const int64_t depth = pack(image, chunk);
      if constexpr (Sink::wants_sums) sink.packed(kernels_.squared_sums(packed_.get(), panels_, panel_bytes_, depth));
      int64_t row = 0;
      int64_t column = part.begin;
      while (column >= panels_) column -= panels_ - ++row;
      for (int64_t tile = part.begin; tile < part.end; ++tile) {
        multiply(GramTile(map_.C, row, column), chunk, depth, sink);
        if (++column == panels_) column = ++row;
      }
    }
  }

 private:
  // The panels of a chunk fit into a second-level cache. In chunks of less depth than LEAST_UNITS, storing and loading
  // partial sums would cost too much.
  static constexpr int64_t CHUNK_BYTES = 1024 * 1024;
  static constexpr int64_t LEAST_UNITS = 64;

  int64_t count_chunks() const {
    const int64_t fitting = CHUNK_BYTES / (panels_ * PANEL * kernels_.unit_bytes);
    const int64_t depth = std::max(fitting, LEAST_UNITS) * kernels_.depth_per_unit;
    return (map_.L + depth - 1) / depth;
  }

  std::byte* panel(int64_t index) const { return packed_.get() + index * panel_bytes_; }

  int64_t pack(int64_t image, int64_t chunk) {
    const int64_t first = chunk * chunk_depth_;
    const int64_t depth = std::min(chunk_depth_, map_.L - first);
    for (int64_t index = 0; index < panels_; ++index) {
      const int64_t channel = index * PANEL;
      const MatrixView rows{map_.at(image, channel, first), map_.dtype, map_.channel_stride, map_.position_stride};
      kernels_.pack(rows, std::min(PANEL, map_.C - channel), depth, panel(index));
    }
    return depth;
  }

  template <class Sink>
  void multiply(const GramTile& at, int64_t chunk, int64_t depth, Sink& sink) {
    T* const tile = tile_.get();
    if (chunk > 0) sink.load(at, tile);
    kernels_.multiply(depth, panel(at.i0 / PANEL), panel(at.j0 / PANEL), tile, at.region, chunk > 0);
    if (chunk + 1 < chunks_) {
      sink.store(at, tile);
    } else {
      sink.finish(at, tile);
    }
  }

  const TileKernels<T>& kernels_;
  const FeatureMap& map_;
  const int64_t panels_;
  const int64_t chunks_;
  const int64_t chunk_depth_;
  const int64_t panel_bytes_;
  const Scratch<std::byte> packed_;
  const Scratch<T> tile_;
};

}  // namespace fbn
