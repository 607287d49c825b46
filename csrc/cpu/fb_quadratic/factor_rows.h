// The factors f_ok of a weight [O, K, D] that a batch keeps, as rows of a matrix [O * kept, D], and their scales.
#pragma once

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <optional>
#include <vector>

#include "cpu/gemm/gemm_tile.h"
#include "cpu/gemm/tensor_dtype.h"

namespace fbn {

// The scale of factors: s_k for the whole batch, s_nk for each sample, or 1 where none is given.
template <typename T>
class Scale {
 public:
  Scale(const std::optional<torch::stable::Tensor>& scale, int64_t N, int64_t K) : K_(K) {
    if (!scale.has_value()) return;
    STD_TORCH_CHECK(scale->is_cpu() && dtype_of(*scale) == dtype_of_value && scale->is_contiguous(),
                    "expected a contiguous scale in the accumulating dtype on the CPU");
    by_sample = scale->dim() == 2;
    STD_TORCH_CHECK(by_sample ? scale->size(0) == N && scale->size(1) == K : scale->dim() == 1 && scale->size(0) == K,
                    "expected a scale [K] or [N, K]");
    values_ = static_cast<const T*>(scale->data_ptr());
  }

  bool by_sample = false;

  T at(int64_t sample, int64_t k) const { return values_ == nullptr ? T(1) : values_[by_sample ? sample * K_ + k : k]; }

  // The factors without those whose scale is 0 for the whole batch (dropped factors).
  std::vector<int64_t> kept() const {
    std::vector<int64_t> factors(K_);
    std::iota(factors.begin(), factors.end(), 0);
    if (values_ != nullptr && !by_sample) std::erase_if(factors, [this](int64_t k) { return values_[k] == T(0); });
    return factors;
  }

 private:
  static constexpr Dtype dtype_of_value = sizeof(T) == sizeof(double) ? Dtype::float64 : Dtype::float32;
  const T* values_ = nullptr;
  int64_t K_;
};

// Row r is factor kept[r % kept.size()] of class r / kept.size().
struct FactorRows {
  const std::byte* data;
  Dtype dtype;
  int64_t K, D;
  std::vector<int64_t> kept;

  int64_t per_class() const { return static_cast<int64_t>(kept.size()); }
  int64_t source_row(int64_t row) const { return row / per_class() * K + kept[row % per_class()]; }
  const std::byte* at(int64_t row) const { return data + source_row(row) * D * element_bytes(dtype); }

  // Calls use(values) with a pointer to the values of a row, in their stored dtype.
  template <typename T, class Use>
  void with_values(int64_t row, Use&& use) const {
    if (dtype == Dtype::bfloat16) return use(reinterpret_cast<const torch::headeronly::BFloat16*>(at(row)));
    if (dtype == Dtype::float16) return use(reinterpret_cast<const torch::headeronly::Half*>(at(row)));
    use(reinterpret_cast<const T*>(at(row)));
  }

  // `count` <= PANEL rows at equal distances: in place if no factor is dropped, else copied into `memory`, which has
  // room for PANEL * D elements.
  MatrixView gather(int64_t row, int64_t count, std::byte* memory) const {
    if (per_class() == K) return {at(row), dtype, D, 1};
    const int64_t bytes = D * element_bytes(dtype);
    for (int64_t i = 0; i < count; ++i) std::memcpy(memory + i * bytes, at(row + i), bytes);
    return {memory, dtype, D, 1};
  }
};

}  // namespace fbn
