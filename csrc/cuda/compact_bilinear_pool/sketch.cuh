// Kernels of the Tensor Sketch of Gram matrices G [n, C, C]: y_k = sum of a_i b_j G_ij over the pairs (i, j) with
// (h_i + g_j) mod dim = k, and the gradient's H. The image is the grid's second dimension.
//
// The sum needs no atomics. In a row i, columns of different g belong to different k, so a block has a thread for each
// g and a barrier after each row. The thread of the first column with a given g sums all columns with that g.
#pragma once

#include "cuda/gram/gram.cuh"

namespace fbn {

constexpr int SKETCH_THREADS = 256;
constexpr int LINK_WARPS = 8;
constexpr int64_t SLICE = 64;                // rows of G per block: the rows of a partial sketch
constexpr int64_t GRADIENT_ROWS = 16;        // rows of H per block
constexpr int64_t WINDOW_BYTES = 32 * 1024;  // of a sketch in shared memory

// bucket mod dim, not negative, as Python's % computes it; fast for buckets from 0 to dim - 1.
__host__ __device__ inline int64_t wrap(int64_t bucket, int64_t dim) {
  if (bucket >= 0 && bucket < dim) {
    return bucket;
  }
  bucket %= dim;
  return bucket < 0 ? bucket + dim : bucket;
}

// (h + g) mod dim for two buckets from 0 to dim - 1.
__host__ __device__ inline int64_t pair_bucket(int64_t h, int64_t g, int64_t dim) {
  return h + g < dim ? h + g : h + g - dim;
}

// links[j] = the next column after j with the same g, or C; links[C + j] = the first column with that g. A warp works
// on a column.
static __global__ void __launch_bounds__(WARP* LINK_WARPS)
    link_columns_kernel(const int64_t* buckets, int64_t C, int64_t dim, int64_t* links) {
  const int64_t j = int64_t(blockIdx.x) * LINK_WARPS + threadIdx.y;
  if (j >= C) {
    return;
  }
  const int64_t* g = buckets + C;
  int64_t next = C, first = j;
  for (int64_t k = threadIdx.x; k < C; k += WARP) {
    if (wrap(g[k], dim) == wrap(g[j], dim)) {
      first = k < first ? k : first;
      next = k > j && k < next ? k : next;
    }
  }
  next = warp_min(next);
  first = warp_min(first);
  if (threadIdx.x == 0) {
    links[j] = next;
    links[C + j] = first;
  }
}

// slices[n, slice] = the sketch of SLICE rows of G. A block computes a window of the sketch in shared memory.
template <typename A>
__global__ void __launch_bounds__(SKETCH_THREADS)
    sketch_rows_kernel(const A* gram, const int64_t* buckets, const A* signs, const int64_t* links, int64_t C,
                       int64_t dim, A* slices) {
  constexpr int64_t WINDOW = WINDOW_BYTES / sizeof(A);
  constexpr int ROWS = 2 * AHEAD;  // rows that are loaded before the first of them is added
  __shared__ A window[WINDOW];
  const int64_t n = blockIdx.y, slice = blockIdx.z, start = int64_t(blockIdx.x) * WINDOW;
  const int64_t first_row = slice * SLICE, end_row = first_row + SLICE < C ? first_row + SLICE : C;
  const A* g = gram + n * C * C;
  for (int64_t k = threadIdx.x; k < WINDOW; k += SKETCH_THREADS) {
    window[k] = 0;
  }
  __syncthreads();
  for (int64_t first_column = 0; first_column < C; first_column += SKETCH_THREADS) {
    const int64_t j = first_column + threadIdx.x;
    const bool leads = j < C && links[C + j] == j;
    const int64_t column_bucket = leads ? wrap(buckets[C + j], dim) : 0;
    const int64_t next = leads ? links[j] : C;
    const A sign = leads ? signs[C + j] : A(0);
    for (int64_t row = first_row; row < end_row; row += ROWS) {
      A values[ROWS];
#pragma unroll
      for (int ahead = 0; ahead < ROWS; ++ahead) {
        values[ahead] = leads && row + ahead < end_row ? g[(row + ahead) * C + j] : A(0);
      }
#pragma unroll
      for (int ahead = 0; ahead < ROWS; ++ahead) {
        const int64_t i = row + ahead;
        if (leads && i < end_row) {
          A sum = sign * values[ahead];
          for (int64_t k = next; k < C; k = links[k]) {
            sum += signs[C + k] * g[i * C + k];
          }
          const int64_t at = pair_bucket(wrap(buckets[i], dim), column_bucket, dim) - start;
          if (at >= 0 && at < WINDOW) {
            window[at] += signs[i] * sum;
          }
        }
        __syncthreads();
      }
    }
  }
  A* out = slices + (n * gridDim.z + slice) * dim + start;
  for (int64_t k = threadIdx.x; k < WINDOW && start + k < dim; k += SKETCH_THREADS) {
    out[k] = window[k];
  }
}

// sketch[n] = sum of slices[n], in their order.
template <typename A>
__global__ void sum_slices_kernel(const A* slices, int64_t count, int64_t dim, A* sketch) {
  const int64_t n = blockIdx.y, k = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (k >= dim) {
    return;
  }
  A sum = 0;
  for (int64_t slice = 0; slice < count; ++slice) {
    sum += slices[(n * count + slice) * dim + k];
  }
  sketch[n * dim + k] = sum;
}

// inner[n] scales H into float16's range, with the bound |H_ij| <= 2 max |dy|; outer[n] = 1 / inner[n]. A warp works on
// an image.
template <typename A>
__global__ void sketch_split_kernel(const A* grad, int64_t dim, A* inner, A* outer) {
  const int64_t n = blockIdx.x;
  A bound = 0;
#pragma unroll 4
  for (int64_t k = threadIdx.x; k < dim; k += WARP) {
    const A magnitude = fabs(grad[n * dim + k]);
    bound = magnitude > bound ? magnitude : bound;
  }
  bound = warp_max(bound);
  if (threadIdx.x == 0) {
    inner[n] = float16_scale(2 * bound);
    outer[n] = A(1) / inner[n];
  }
}

// h[n] = inner[n] (dG + dG^T), where dG_ij = a_i b_j dy at the bucket of (i, j); a null inner is 1.
template <typename T, typename A>
__global__ void __launch_bounds__(SKETCH_THREADS)
    sketch_gradient_kernel(const A* __restrict__ grad, const int64_t* __restrict__ buckets, const A* __restrict__ signs,
                           const A* __restrict__ inner, int64_t C, int64_t dim, T* __restrict__ h) {
  constexpr int64_t WINDOW = WINDOW_BYTES / sizeof(A);
  __shared__ A window[WINDOW];
  const int64_t n = blockIdx.y;
  const int64_t first_row = int64_t(blockIdx.x) * GRADIENT_ROWS;
  const int64_t end_row = first_row + GRADIENT_ROWS < C ? first_row + GRADIENT_ROWS : C;
  const A* dy = grad + n * dim;
  if (dim <= WINDOW) {
    for (int64_t k = threadIdx.x; k < dim; k += SKETCH_THREADS) {
      window[k] = dy[k];
    }
    __syncthreads();
    dy = window;
  }
  const A factor = inner == nullptr ? A(1) : inner[n];
  for (int64_t j = threadIdx.x; j < C; j += SKETCH_THREADS) {
    const int64_t h_j = wrap(buckets[j], dim), g_j = wrap(buckets[C + j], dim);
    const A a_j = factor * signs[j], b_j = factor * signs[C + j];
    for (int64_t i = first_row; i < end_row; ++i) {
      const int64_t h_i = wrap(buckets[i], dim), g_i = wrap(buckets[C + i], dim);
      const A value =
          signs[i] * b_j * dy[pair_bucket(h_i, g_j, dim)] + signs[C + i] * a_j * dy[pair_bucket(h_j, g_i, dim)];
      h[(n * C + i) * C + j] = static_cast<T>(value);
    }
  }
}

}  // namespace fbn
