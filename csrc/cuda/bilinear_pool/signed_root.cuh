// Kernels of the signed root of Gram matrices G [n, C, C]: sum |G|, and the root times the scale 1 / sqrt(sum |G|).
// The image is the grid's second dimension. Every sum runs in an order that depends on the shape alone.
#pragma once

#include "cuda/gram/gram.cuh"

namespace fbn {

constexpr int ROOT_WARPS = 8;

// Value (i, j), i <= j, of a C x C matrix has the index packed_row(i, C) + j in the upper triangle, row by row.
__host__ __device__ inline int64_t packed_row(int64_t i, int64_t C) { return i * C - i * (i + 1) / 2; }

// Number of row pairs. Rows r and C - 1 - r of the upper triangle have C + 1 values together for every r, so that warps
// with a pair each have equal work.
__host__ __device__ inline int64_t row_pairs(int64_t C) { return ceil_div(C, 2); }

// Calls body(i) for the two rows of pair r, or for the middle row of an odd C.
template <typename Body>
__device__ inline void for_each_row(int64_t r, int64_t C, const Body& body) {
  body(r);
  if (C - 1 - r != r) {
    body(C - 1 - r);
  }
}

template <typename A>
__host__ __device__ inline A signed_root(A g, A multiplicity, A scale) {
  const A root = sqrt(fabs(g) * multiplicity) * scale;
  return g < A(0) ? -root : root;
}

constexpr int STRIP = WARP;  // positions per block
constexpr int STRIP_WARPS = 8;

// partials[n, strip] = sum over the strip's positions of (sum over channels of x)^2, or NaN if a value is negative. If
// no value is, these add up to sum |G|. The lanes of a warp read neighbouring channels of a position in a channels_last
// map, otherwise neighbouring positions of a channel.
template <typename T, typename A>
__global__ void __launch_bounds__(WARP* STRIP_WARPS)
    strip_totals_kernel(const T* x, Layout at, int64_t C, int64_t L, A* partials) {
  __shared__ A sums[STRIP_WARPS][STRIP];
  const int lane = threadIdx.x, warp = threadIdx.y;
  const int64_t n = blockIdx.y, start = int64_t(blockIdx.x) * STRIP;
  bool negative = false;
  A total = 0;
  if (at.channels_last()) {
    for (int64_t p = start + warp; p < start + STRIP && p < L; p += STRIP_WARPS) {
      A sum = 0;
      for (int64_t c = lane; c < C; c += WARP) {
        const A value = static_cast<A>(x[at(n, c, p)]);
        negative |= value < A(0);
        sum += value;
      }
      sum = warp_sum(sum);
      total += sum * sum;
    }
    sums[warp][lane] = lane == 0 ? total : A(0);
  } else {
    A sum = 0;
    for (int64_t c = warp; c < C && start + lane < L; c += STRIP_WARPS) {
      const A value = static_cast<A>(x[at(n, c, start + lane)]);
      negative |= value < A(0);
      sum += value;
    }
    sums[warp][lane] = sum;
  }
  const bool any_negative = __syncthreads_or(negative);
  if (warp == 0) {
    A sum = 0;
    for (int k = 0; k < STRIP_WARPS; ++k) {
      sum += sums[k][lane];
    }
    total = warp_sum(at.channels_last() ? sum : sum * sum);
    if (lane == 0) {
      partials[n * gridDim.x + blockIdx.x] = any_negative ? A(NAN) : total;
    }
  }
}

// partials[n, r] = sum of |G| over row pair r of the upper triangle, off-diagonal values twice.
template <typename A>
__global__ void __launch_bounds__(WARP* ROOT_WARPS) row_totals_kernel(const A* gram, int64_t C, A* partials) {
  const int64_t n = blockIdx.y, r = int64_t(blockIdx.x) * ROOT_WARPS + threadIdx.y;
  if (r >= row_pairs(C)) {
    return;
  }
  A sum = 0;
  for_each_row(r, C, [&](int64_t i) {
    const A* row = gram + (n * C + i) * C;
    for (int64_t j = i + threadIdx.x; j < C; j += WARP) {
      sum += j == i ? fabs(row[j]) : 2 * fabs(row[j]);
    }
  });
  sum = warp_sum(sum);
  if (threadIdx.x == 0) {
    partials[n * row_pairs(C) + r] = sum;
  }
}

// 1 / sqrt(sum of partials[0] to partials[count - 1]), computed by a full warp: 0 for a map of zeros, NaN if the sum
// overflows.
template <typename A>
__device__ inline A scale_of(const A* partials, int64_t count) {
  A total = 0;
  for (int64_t k = threadIdx.x; k < count; k += WARP) {
    total += partials[k];
  }
  total = warp_sum(total);
  return total == A(0) ? A(0) : isinf(total) ? A(NAN) : A(1) / sqrt(total);
}

// descriptor[n] = the scaled signed root of all of G, or of its upper triangle with off-diagonal values times sqrt(2).
// A warp works on a row, or on a row pair, and sums the partials itself, which is faster than a kernel for the sum.
template <typename A, bool PACKED>
__global__ void __launch_bounds__(WARP* ROOT_WARPS)
    root_kernel(const A* __restrict__ gram, const A* __restrict__ partials, int64_t count, int64_t C,
                A* __restrict__ descriptor, A* __restrict__ scale) {
  const int64_t n = blockIdx.y, r = int64_t(blockIdx.x) * ROOT_WARPS + threadIdx.y;
  if (r >= (PACKED ? row_pairs(C) : C)) {
    return;
  }
  const A s = scale_of(partials + n * count, count);
  if (r == 0 && threadIdx.x == 0) {
    scale[n] = s;
  }
  const auto write_row = [&](int64_t i) {
    const A* g = gram + (n * C + i) * C;
    A* u = PACKED ? descriptor + n * (C * (C + 1) / 2) + packed_row(i, C) : descriptor + (n * C + i) * C;
    for (int64_t first = (PACKED ? i : 0) + threadIdx.x; first < C; first += AHEAD * WARP) {
      A values[AHEAD];
#pragma unroll
      for (int k = 0; k < AHEAD; ++k) {
        const int64_t j = first + k * WARP;
        values[k] = j < C ? g[j] : A(0);
      }
#pragma unroll
      for (int k = 0; k < AHEAD; ++k) {
        const int64_t j = first + k * WARP;
        if (j < C) {
          u[j] = signed_root(values[k], PACKED && j != i ? A(2) : A(1), s);
        }
      }
    }
  };
  if constexpr (PACKED) {
    for_each_row(r, C, write_row);
  } else {
    write_row(r);
  }
}

}  // namespace fbn
