// Portions of a batch whose Gram matrices G = X X^T fit the L2 cache, and the scale that a gradient gets after its
// product, for the ops on Gram matrices.
#pragma once

#include "cuda/batched_product.cuh"

namespace fbn {

// Images per portion: few enough that the data which a portion writes and reads again, `bytes_per_image` for each
// image, stays in half of the L2 cache, but enough for a 128 x 128 tile of their Gram matrices for each multiprocessor.
// All portions are about equal.
inline int64_t images_per_portion(const Tensor& x, int64_t bytes_per_image) {
  const int64_t N = x.size(0), C = x.size(1);
  const int64_t cache = device_attribute(x, cudaDevAttrL2CacheSize) / 2 / bytes_per_image;
  const int64_t work = ceil_div(device_attribute(x, cudaDevAttrMultiProcessorCount) * int64_t(128 * 128), C * C);
  const int64_t most = std::min(std::max({cache, work, int64_t(1)}), MOST_IMAGES);
  return ceil_div(N, ceil_div(N, most));
}

// Element (image, channel, position) of a feature map in any layout.
struct Layout {
  int64_t image, channel, position;

  // The stride of a single position is arbitrary. It is set to 0, so that channels_last() does not depend on it.
  explicit Layout(const Tensor& x)
      : image(x.stride(0)), channel(x.stride(1)), position(x.size(2) == 1 ? 0 : x.stride(2)) {}

  __host__ __device__ int64_t operator()(int64_t n, int64_t c, int64_t p) const {
    return n * image + c * channel + p * position;
  }
  __host__ __device__ bool channels_last() const { return channel == 1 && position != 1; }
};

// An uninitialised map of the shape and layout of `like` (channels last or contiguous) in another dtype.
inline Tensor empty_map(const Tensor& like, ScalarType dtype) {
  const int64_t N = like.size(0), C = like.size(1), L = like.size(2);
  if (Layout(like).channels_last()) {
    return torch::stable::transpose(torch::stable::new_empty(like, {N, L, C}, dtype), 1, 2);
  }
  return torch::stable::new_empty(like, {N, C, L}, dtype);
}

// The power of two that scales `bound` into [2^13, 2^14), within float16's range: values down to about 2^-28 of the
// bound are then normal float16 values. The power is at most 2^100, so that it does not overflow for a tiny bound.
template <typename A>
__host__ __device__ inline A float16_scale(A bound) {
  const bool finite = bound > A(0) && !isinf(bound);
  const int exponent = finite ? 13 - ilogb(bound) : 0;
  return ldexp(A(1), exponent < 100 ? exponent : 100);
}

constexpr int RESCALE_WARPS = 8;

// result = outer[image] * product, for the part of a gradient's scale that is not in the product's factors. In place,
// an image whose scale is 1 is left alone. A warp works on a channel, or on a position of a channels_last map.
template <typename From, typename To, typename A>
__global__ void rescale_kernel(const From* product, Layout from, To* result, Layout to, const A* outer, int64_t C,
                               int64_t L) {
  const int64_t n = blockIdx.y;
  const A scale = outer[n];
  if (static_cast<const void*>(product) == static_cast<const void*>(result) && scale == A(1)) {
    return;
  }
  const bool transposed = to.channels_last();
  const int64_t row = int64_t(blockIdx.x) * RESCALE_WARPS + threadIdx.y;
  if (row >= (transposed ? L : C)) {
    return;
  }
  for (int64_t column = threadIdx.x; column < (transposed ? C : L); column += WARP) {
    const int64_t c = transposed ? column : row, p = transposed ? row : column;
    result[to(n, c, p)] = static_cast<To>(static_cast<A>(product[from(n, c, p)]) * scale);
  }
}

template <typename From, typename To, typename A>
void rescale(const Tensor& product, const Tensor& result, const A* outer, cudaStream_t stream) {
  const int64_t N = result.size(0), C = result.size(1), L = result.size(2);
  const int64_t rows = Layout(result).channels_last() ? L : C;
  launch(rescale_kernel<From, To, A>, dim3(ceil_div(rows, RESCALE_WARPS), N), dim3(WARP, RESCALE_WARPS), stream,
         values_of<const From>(product), Layout(product), values_of<To>(result), Layout(result), outer, C, L);
}

}  // namespace fbn
