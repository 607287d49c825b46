// A batch of feature maps x [N, C, L] with any strides, and the division of work on it among threads.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/Exception.h>

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "cpu/gemm/tensor_dtype.h"

namespace fbn {

struct FeatureMap {
  std::byte* data;
  Dtype dtype;
  int64_t N, C, L;
  int64_t image_stride, channel_stride, position_stride;

  explicit FeatureMap(const torch::stable::Tensor& x)
      : data(static_cast<std::byte*>(x.data_ptr())), dtype(dtype_of(x)) {
    STD_TORCH_CHECK(x.is_cpu() && x.dim() == 3, "expected a feature map [N, C, L] on the CPU");
    N = x.size(0), C = x.size(1), L = x.size(2);
    STD_TORCH_CHECK(C > 0 && L > 0, "expected at least one channel and one position, got ", C, " and ", L);
    image_stride = x.stride(0), channel_stride = x.stride(1), position_stride = x.stride(2);
  }

  std::byte* at(int64_t image, int64_t channel, int64_t position) const {
    const int64_t offset = image * image_stride + channel * channel_stride + position * position_stride;
    return data + offset * element_bytes(dtype);
  }
};

// The number of parts that each image is divided into, so that all threads have equal work; with many images, 1. Every
// part packs the whole map again, so more than MANY parts would not pay.
inline int64_t parts_per_image(int64_t N) {
  constexpr int64_t MANY = 8;
  const int64_t threads = torch::stable::get_num_threads();
  if (N == 0 || N >= MANY * threads) return 1;
  return std::min(MANY, threads / std::gcd(N, threads));
}

// Part `index` of `count` equal parts of the work units 0 to `work` - 1.
struct Part {
  int64_t begin, end;

  Part(int64_t work, int64_t index, int64_t count) : begin(work * index / count), end(work * (index + 1) / count) {}
};

}  // namespace fbn
