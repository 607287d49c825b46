// Kernels of the Factorized Bilinear form around its matrix products, for o classes, K factors and M = n * L positions:
// the sum of squared products, the products' gradient, and the subtraction of the diagonal from both. Rows are the
// grid's second dimension; neighbouring threads work on neighbouring positions or weights.
//
// The scale s is one value for each factor (a single group of samples, S = 1), one for each factor and sample (S = n),
// or null for 1. Position m belongs to group m / (M / S).
#pragma once

#include "cuda/fb_quadratic/window.cuh"

namespace fbn {

// s of factor k in a group of samples.
template <typename A>
struct Scale {
  const A* values;
  int64_t K;

  __device__ A operator()(int64_t group, int64_t k) const { return values == nullptr ? A(1) : values[group * K + k]; }
};

// sums[group, class, d] = sum over k of s f^2.
template <typename T, typename A>
__global__ void __launch_bounds__(COLUMN_THREADS)
    square_weights_kernel(const T* __restrict__ f, Scale<A> s, int64_t S, int64_t classes, int64_t D,
                          A* __restrict__ sums) {
  const int64_t d = int64_t(blockIdx.x) * COLUMN_THREADS + threadIdx.x;
  for (int64_t row = blockIdx.y; d < D && row < S * classes; row += gridDim.y) {
    const int64_t group = row / classes, o = row % classes;
    A sum = 0;
    for (int64_t k = 0; k < s.K; ++k) {
      const A value = static_cast<A>(f[(o * s.K + k) * D + d]);
      sum += s(group, k) * value * value;
    }
    sums[row * D + d] = sum;
  }
}

// out[n, class, l] = sum over k of s y^2, minus the diagonal [S, classes, M / S] unless it is null. y is
// [classes, K, M], its rows `pitch` values apart; out has O classes.
template <typename A>
__global__ void __launch_bounds__(COLUMN_THREADS)
    sum_squares_kernel(const A* __restrict__ y, int64_t pitch, Scale<A> s, const A* __restrict__ diagonal, int64_t S,
                       int64_t classes, int64_t M, int64_t O, int64_t L, A* __restrict__ out) {
  const int64_t m = int64_t(blockIdx.x) * COLUMN_THREADS + threadIdx.x;
  if (m >= M) {
    return;
  }
  const int64_t group = m / (M / S), n = m / L, l = m % L;
  for (int64_t o = blockIdx.y; o < classes; o += gridDim.y) {
    const A* values = y + o * s.K * pitch + m;
    A sum = 0;
#pragma unroll 4
    for (int64_t k = 0; k < s.K; ++k) {
      const A value = values[k * pitch];
      sum += s(group, k) * value * value;
    }
    if (diagonal != nullptr) {
      sum -= diagonal[(group * classes + o) * (M / S) + m % (M / S)];
    }
    out[(n * O + o) * L + l] = sum;
  }
}

// doubled[class, m] = 2 grad[n, class, l].
template <typename A>
__global__ void __launch_bounds__(COLUMN_THREADS)
    double_gradient_kernel(const A* __restrict__ grad, int64_t O, int64_t L, int64_t M, A* __restrict__ doubled) {
  const int64_t m = int64_t(blockIdx.x) * COLUMN_THREADS + threadIdx.x;
  for (int64_t o = blockIdx.y; m < M && o < O; o += gridDim.y) {
    doubled[o * M + m] = 2 * grad[(m / L * O + o) * L + m % L];
  }
}

// p[class, k, m] = 2 g s y, the gradient of y, whose rows are `pitch` values apart. p may be y.
template <typename A, typename P>
__global__ void __launch_bounds__(COLUMN_THREADS)
    product_gradient_kernel(const A* y, int64_t pitch, Scale<A> s, const A* __restrict__ doubled, int64_t S,
                            int64_t classes, int64_t M, P* p) {
  const int64_t m = int64_t(blockIdx.x) * COLUMN_THREADS + threadIdx.x;
  if (m >= M) {
    return;
  }
  const int64_t group = m / (M / S);
  for (int64_t o = blockIdx.y; o < classes; o += gridDim.y) {
    const A g = doubled[o * M + m];
    for (int64_t first = 0; first < s.K; first += AHEAD) {
      A values[AHEAD];
#pragma unroll
      for (int ahead = 0; ahead < AHEAD; ++ahead) {
        const int64_t k = first + ahead;
        values[ahead] = k < s.K ? y[(o * s.K + k) * pitch + m] : A(0);
      }
#pragma unroll
      for (int ahead = 0; ahead < AHEAD; ++ahead) {
        const int64_t k = first + ahead;
        if (k < s.K) {
          p[(o * s.K + k) * M + m] = static_cast<P>(g * s(group, k) * values[ahead]);
        }
      }
    }
  }
}

// sum[d, m] = part[d, m] - x again[group, d, m] if `first`, else sum[d, m] += the same; a null again is 0.
template <typename P, typename A>
__global__ void __launch_bounds__(COLUMN_THREADS)
    add_columns_kernel(const A* __restrict__ part, const P* __restrict__ columns, const A* __restrict__ again,
                       int64_t S, int64_t D, int64_t M, bool first, A* __restrict__ sum) {
  const int64_t m = int64_t(blockIdx.x) * COLUMN_THREADS + threadIdx.x;
  if (m >= M) {
    return;
  }
  const int64_t group = m / (M / S);
  for (int64_t d = blockIdx.y; d < D; d += gridDim.y) {
    A value = part[d * M + m];
    if (again != nullptr) {
      value -= static_cast<A>(columns[d * M + m]) * again[(group * D + d) * (M / S) + m % (M / S)];
    }
    sum[d * M + m] = first ? value : sum[d * M + m] + value;
  }
}

// sum[class, k, d] = part - f (sum over groups of s moments[group, class, d]) if `first`, else sum += the same; null
// moments are 0.
template <typename P, typename A>
__global__ void __launch_bounds__(COLUMN_THREADS)
    add_weights_kernel(const A* __restrict__ part, const P* __restrict__ f, const A* __restrict__ moments, Scale<A> s,
                       int64_t S, int64_t classes, int64_t D, bool first, A* __restrict__ sum) {
  const int64_t d = int64_t(blockIdx.x) * COLUMN_THREADS + threadIdx.x;
  for (int64_t row = blockIdx.y; d < D && row < classes * s.K; row += gridDim.y) {
    const int64_t o = row / s.K, k = row % s.K;
    A value = part[row * D + d];
    if (moments != nullptr) {
      A moment = 0;
      for (int64_t group = 0; group < S; ++group) {
        moment += s(group, k) * moments[(group * classes + o) * D + d];
      }
      value -= static_cast<A>(f[row * D + d]) * moment;
    }
    sum[row * D + d] = first ? value : sum[row * D + d] + value;
  }
}

}  // namespace fbn
