// Kernels of the gradient of the signed root: from the descriptor u and its gradient du [n, D], the symmetric H
// [n, C, C] of dX = s^2 H X, H_ij = du_ij / |u_ij| - <du, u> sign(u_ij). The image is the grid's second dimension.
//
// The factor s^2 is split into inner * outer: H is multiplied by `inner`, and the product by `outer`. For float16,
// `inner` scales H into float16's range. For other dtypes `outer` is 1, unless s^2 might overflow or underflow.
#pragma once

#include "cuda/bilinear_pool/signed_root.cuh"

namespace fbn {

// ROOT_FLOOR in birdnet_cli/core/ops/bilinear_pool.py.
constexpr float ROOT_FLOOR = 1.0f / (1 << 20);

// du / |u|, bounded near 0.
template <typename A>
__host__ __device__ inline A bounded_ratio(A u, A du) {
  const A magnitude = fabs(u);
  const A floored = magnitude < A(ROOT_FLOOR) ? A(ROOT_FLOOR) : magnitude;
  return du * magnitude / (floored * floored);
}

template <typename A>
__host__ __device__ inline A root_gradient(A u, A du, A delta) {
  const A sign = u > A(0) ? A(1) : u < A(0) ? A(-1) : A(0);
  return bounded_ratio(u, du) - delta * sign;
}

constexpr int SPAN_WARPS = 8;
constexpr int64_t SPAN = 4096;  // values per block

// deltas[n, span] = sum of du u over a span of the descriptor; if BOUNDED, bounds[n, span] = largest |du| / |u|.
template <typename A, bool BOUNDED>
__global__ void __launch_bounds__(WARP* SPAN_WARPS)
    span_kernel(const A* __restrict__ descriptor, const A* __restrict__ grad, int64_t D, A* deltas, A* bounds) {
  constexpr int64_t STEP = WARP * SPAN_WARPS;
  __shared__ A sums[SPAN_WARPS], largest[SPAN_WARPS];
  const int lane = threadIdx.x, warp = threadIdx.y;
  const int64_t n = blockIdx.y, start = int64_t(blockIdx.x) * SPAN, end = start + SPAN < D ? start + SPAN : D;
  const A* u = descriptor + n * D;
  const A* du = grad + n * D;
  A sum = 0, bound = 0;
  for (int64_t first = start + warp * WARP + lane; first < end; first += AHEAD * STEP) {
    A values[AHEAD], slopes[AHEAD];
#pragma unroll
    for (int k = 0; k < AHEAD; ++k) {
      const bool inside = first + k * STEP < end;
      values[k] = inside ? u[first + k * STEP] : A(0);
      slopes[k] = inside ? du[first + k * STEP] : A(0);
    }
#pragma unroll
    for (int k = 0; k < AHEAD; ++k) {
      sum += slopes[k] * values[k];
      if constexpr (BOUNDED) {
        const A ratio = fabs(bounded_ratio(values[k], slopes[k]));
        bound = ratio > bound ? ratio : bound;
      }
    }
  }
  sum = warp_sum(sum);
  bound = warp_max(bound);
  if (lane == 0) {
    sums[warp] = sum;
    largest[warp] = bound;
  }
  __syncthreads();
  if (warp == 0 && lane == 0) {
    for (int k = 1; k < SPAN_WARPS; ++k) {
      sum += sums[k];
      bound = largest[k] > bound ? largest[k] : bound;
    }
    deltas[n * gridDim.x + blockIdx.x] = sum;
    bounds[n * gridDim.x + blockIdx.x] = bound;
  }
}

// delta[n] = <du, u>, and the split of s^2. A warp works on an image.
template <typename T, typename A>
__global__ void split_kernel(const A* deltas, const A* bounds, int64_t spans, const A* scale, A* delta, A* inner,
                             A* outer) {
  const int64_t n = blockIdx.x;
  A sum = 0, bound = 0;
  for (int64_t k = threadIdx.x; k < spans; k += WARP) {
    sum += deltas[n * spans + k];
    bound = bounds[n * spans + k] > bound ? bounds[n * spans + k] : bound;
  }
  sum = warp_sum(sum);
  bound = warp_max(bound);
  if (threadIdx.x != 0) {
    return;
  }
  const A s = scale[n];
  delta[n] = sum;
  if constexpr (std::is_same_v<T, Half>) {
    // |<du, u>| is at most the largest |du| / |u|, since the squares of u add up to 1.
    inner[n] = float16_scale(2 * bound);
    outer[n] = s / inner[n] * s;
  } else {
    // Between these bounds, s^2 is at least a factor of 2^60 away from either end of float32's range, which leaves that
    // much room for the gradient.
    const bool within = s > A(1.0f / (1ll << 32)) && s < A(1ll << 32);
    inner[n] = within ? s * s : s;
    outer[n] = within ? A(1) : s;
  }
}

constexpr int TILE = WARP;
constexpr int TILE_WARPS = 8;

// Sets the values of the calling thread in a tile of the root's gradient: rows top + threadIdx.y + k TILE_WARPS, column
// left + threadIdx.x. Values outside the matrix and, if PACKED, below its diagonal are 0.
template <typename A, bool PACKED>
__device__ inline void load_tile(const A* u, const A* du, A delta, int64_t top, int64_t left, int64_t C,
                                 A (&tile)[TILE][TILE + 1]) {
  constexpr int ROWS = TILE / TILE_WARPS;
  A values[ROWS], slopes[ROWS];
  const int64_t j = left + threadIdx.x;
#pragma unroll
  for (int k = 0; k < ROWS; ++k) {
    const int64_t i = top + threadIdx.y + k * TILE_WARPS;
    const bool inside = j < C && i < C && (!PACKED || i <= j);
    const int64_t at = (PACKED ? packed_row(i, C) : i * C) + j;
    values[k] = inside ? u[at] : A(0);
    slopes[k] = inside ? du[at] : A(0);
  }
#pragma unroll
  for (int k = 0; k < ROWS; ++k) {
    tile[threadIdx.y + k * TILE_WARPS][threadIdx.x] = root_gradient(values[k], slopes[k], delta);
  }
}

// h[n] = inner[n] H. A block computes the tile in column blockIdx.x and row blockIdx.z of the tiles, on or above the
// diagonal, and writes it and its transpose, both along rows. Of a full descriptor, H is the mean of both triangles.
template <typename T, typename A, bool PACKED>
__global__ void __launch_bounds__(WARP* TILE_WARPS)
    pair_gradient_kernel(const A* __restrict__ descriptor, const A* __restrict__ grad, const A* __restrict__ delta,
                         const A* __restrict__ inner, int64_t C, T* __restrict__ h) {
  const int64_t n = blockIdx.y, top = int64_t(blockIdx.z) * TILE, left = int64_t(blockIdx.x) * TILE;
  if (left < top) {
    return;
  }
  __shared__ A upper[TILE][TILE + 1], lower[TILE][TILE + 1];
  const int64_t D = PACKED ? C * (C + 1) / 2 : C * C;
  const A factor = inner[n];
  load_tile<A, PACKED>(descriptor + n * D, grad + n * D, delta[n], top, left, C, upper);
  if (!PACKED) {
    load_tile<A, PACKED>(descriptor + n * D, grad + n * D, delta[n], left, top, C, lower);
  }
  __syncthreads();
  // H at row top + a, column left + b.
  const auto value = [&](int a, int b) {
    if (PACKED) {
      return factor * (top + a <= left + b ? upper[a][b] : upper[b][a]);
    }
    return factor * ((upper[a][b] + lower[b][a]) / 2);
  };
  T* out = h + n * C * C;
  const int lane = threadIdx.x;
  for (int k = threadIdx.y; k < TILE; k += TILE_WARPS) {
    if (top + k < C && left + lane < C) {
      out[(top + k) * C + left + lane] = static_cast<T>(value(k, lane));
    }
    if (top < left && left + k < C && top + lane < C) {
      out[(left + k) * C + top + lane] = static_cast<T>(value(lane, k));
    }
  }
}

}  // namespace fbn
