// Convolution as matrix products: the windows of a map [n, C, H, W] as columns [C * kh * kw, n * L], and back. Each of
// the L = h * w output positions has a window.
#pragma once

#include "cuda/batched_product.cuh"

namespace fbn {

constexpr int COLUMN_THREADS = 256;
// Blocks in the second dimension of a grid; each takes every MOST_ROWS-th row.
constexpr int64_t MOST_ROWS = 1024;

inline dim3 grid_of(int64_t rows, int64_t columns) {
  return dim3(ceil_div(columns, COLUMN_THREADS), std::min(rows, MOST_ROWS));
}

// A convolution's geometry; index 0 is vertical, 1 horizontal.
struct Window {
  int64_t kernel[2], stride[2], padding[2], dilation[2], input[2], output[2];

  __host__ __device__ int64_t taps() const { return kernel[0] * kernel[1]; }
  __host__ __device__ int64_t positions() const { return output[0] * output[1]; }

  // Input coordinate of a tap of an output coordinate; negative in the padding.
  __host__ __device__ int64_t seen(int axis, int64_t at, int64_t tap) const {
    const int64_t from = at * stride[axis] - padding[axis] + tap * dilation[axis];
    return from < input[axis] ? from : -1;
  }
  // Output coordinate whose tap has this input coordinate, or -1 if there is none.
  __host__ __device__ int64_t seen_from(int axis, int64_t at, int64_t tap) const {
    const int64_t shifted = at + padding[axis] - tap * dilation[axis];
    const bool exists = shifted >= 0 && shifted % stride[axis] == 0 && shifted / stride[axis] < output[axis];
    return exists ? shifted / stride[axis] : -1;
  }
};

// Element (n, c, y, x) of a map in any layout.
struct MapLayout {
  int64_t image, channel, row, column;

  explicit MapLayout(const Tensor& x)
      : image(x.stride(0)), channel(x.stride(1)), row(x.stride(2)), column(x.stride(3)) {}

  __host__ __device__ int64_t operator()(int64_t n, int64_t c, int64_t y, int64_t x) const {
    return n * image + c * channel + y * row + x * column;
  }
};

// columns[(c, i, j), n * L + l] = the value of channel c at tap (i, j) of position l, 0 in the padding; squares (unless
// null) = its square. A thread works on a single column.
template <typename T, typename P, typename A>
__global__ void __launch_bounds__(COLUMN_THREADS)
    columns_kernel(const T* __restrict__ x, MapLayout at, Window window, int64_t C, int64_t M, P* __restrict__ columns,
                   A* __restrict__ squares) {
  const int64_t m = int64_t(blockIdx.x) * COLUMN_THREADS + threadIdx.x, L = window.positions();
  if (m >= M) {
    return;
  }
  const int64_t n = m / L, y = m % L / window.output[1], x_ = m % L % window.output[1];
  for (int64_t row = blockIdx.y; row < C * window.taps(); row += gridDim.y) {
    const int64_t c = row / window.taps(), tap = row % window.taps();
    const int64_t from_y = window.seen(0, y, tap / window.kernel[1]),
                  from_x = window.seen(1, x_, tap % window.kernel[1]);
    const A value = from_y < 0 || from_x < 0 ? A(0) : static_cast<A>(x[at(n, c, from_y, from_x)]);
    columns[row * M + m] = static_cast<P>(value);
    if (squares != nullptr) {
      squares[row * M + m] = value * value;
    }
  }
}

// x_grad[n, c, y, x] = the sum of columns[(c, i, j), n * L + l] over the taps (i, j) and positions l whose value is
// x[n, c, y, x].
template <typename T, typename A>
__global__ void __launch_bounds__(COLUMN_THREADS)
    fold_kernel(const A* __restrict__ columns, MapLayout to, Window window, int64_t N, int64_t C,
                T* __restrict__ x_grad) {
  const int64_t at = int64_t(blockIdx.x) * COLUMN_THREADS + threadIdx.x, L = window.positions(), M = N * L;
  if (at >= window.input[0] * window.input[1]) {
    return;
  }
  const int64_t y = at / window.input[1], x = at % window.input[1];
  for (int64_t image = blockIdx.y; image < N * C; image += gridDim.y) {
    const int64_t n = image / C, c = image % C;
    A sum = 0;
    for (int64_t i = 0; i < window.kernel[0]; ++i) {
      const int64_t from_y = window.seen_from(0, y, i);
      for (int64_t j = 0; from_y >= 0 && j < window.kernel[1]; ++j) {
        const int64_t from_x = window.seen_from(1, x, j);
        if (from_x >= 0) {
          sum +=
              columns[(c * window.taps() + i * window.kernel[1] + j) * M + n * L + from_y * window.output[1] + from_x];
        }
      }
    }
    x_grad[to(n, c, y, x)] = static_cast<T>(sum);
  }
}

}  // namespace fbn
