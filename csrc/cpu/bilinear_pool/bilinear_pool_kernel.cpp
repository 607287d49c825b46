// fbn::bilinear_pool and its backward on the CPU; birdnet_cli/core/ops/bilinear_pool.py has their formulas.
#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "cpu/bilinear_pool/descriptor.h"
#include "cpu/bilinear_pool/nonnegative.h"
#include "cpu/bilinear_pool/signed_root.h"
#include "cpu/gram/feature_map.h"
#include "cpu/gram/gram.h"
#include "cpu/gram/symmetric_product.h"

namespace fbn {
namespace {

using torch::stable::Tensor;

// ROOT_FLOOR in birdnet_cli/core/ops/bilinear_pool.py.
constexpr double ROOT_FLOOR = 0x1p-20;

// 1 / sqrt(total): 0 for a map of zeros, NaN where the total overflows.
template <typename T>
T scale_of(double total) {
  const T sum = static_cast<T>(total);
  if (sum == 0) return 0;
  return std::isinf(sum) ? std::numeric_limits<T>::quiet_NaN() : 1 / std::sqrt(sum);
}

// Writes the signed root of an image's Gram matrix to its descriptor, tile by tile; until then the descriptor holds
// partial sums. Where the map may be negative, the norm is known after the last tile, and the caller scales the
// descriptor.
template <typename T, bool NONNEGATIVE>
struct PoolSink {
  static constexpr bool wants_sums = NONNEGATIVE;

  const RootKernels<T>& roots;
  const Descriptor<T> descriptor;
  double total = 0;
  double lowest = 0;
  T scale = 1;

  void packed(const SquaredSums& sums) {
    total += sums.total;
    lowest = std::min(lowest, sums.lowest);
    scale = scale_of<T>(total);
  }

  void store(const GramTile& at, const T* tile) const { descriptor.store(at, tile); }
  void load(const GramTile& at, T* tile) const { descriptor.load(at, tile); }

  void finish(const GramTile& at, T* tile) {
    // A packed value off the diagonal represents both G_ij and G_ji.
    T multiplicity = descriptor.packed() ? 2 : 1;
    if (at.region.upper || at.region.columns < PANEL) clear_outside(at.region, tile);
    if (at.region.upper && descriptor.packed()) {
      multiplicity = 1;
      for (int64_t i = 0; i < PANEL; ++i) {
        for (int64_t j = i + 1; j < PANEL; ++j) tile[i * PANEL + j] *= 2;
      }
    }
    if (at.region.upper && !descriptor.packed()) mirror(tile);
    const double sum = roots.signed_root(tile, multiplicity, scale);
    if constexpr (!NONNEGATIVE) total += at.region.upper || descriptor.packed() ? sum : 2 * sum;
    descriptor.store(at, tile);
    if (!descriptor.packed()) descriptor.store_transposed(at, tile);
  }
};

template <typename T, bool NONNEGATIVE>
void pool(const FeatureMap& map, bool packed, T* descriptors, T* scales) {
  const Capability capability = cpu_capability();
  const TileKernels<T>& kernels = tile_kernels<T>(capability, map.dtype);
  const RootKernels<T>& roots = root_kernels<T>(capability);
  const int64_t tiles = Gram<T>::count_tiles(map.C);
  const int64_t parts = std::min(tiles, parts_per_image(map.N));
  const int64_t count = Descriptor<T>::count(map.C, packed);
  std::vector<double> totals(map.N * parts), lowest(map.N * parts);
  torch::stable::parallel_for(0, map.N * parts, 1, [&](int64_t begin, int64_t end) {
    Gram<T> gram(kernels, map);
    for (int64_t work = begin; work < end; ++work) {
      const int64_t image = work / parts;
      T* const descriptor = descriptors + image * count;
      PoolSink<T, NONNEGATIVE> sink{roots, Descriptor<T>(descriptor, map.C, packed)};
      gram.compute(image, Part(tiles, work % parts, parts), sink);
      totals[work] = sink.total;
      lowest[work] = sink.lowest;
      // Scaled here, while the descriptor is in the cache.
      if (!NONNEGATIVE && parts == 1) roots.multiply(descriptor, count, scale_of<T>(sink.total));
    }
  });
  if (NONNEGATIVE) refuse_negative(map, lowest, parts);
  for (int64_t image = 0; image < map.N; ++image) {
    double total = totals[image * parts];
    for (int64_t part = 1; part < parts && !NONNEGATIVE; ++part) total += totals[image * parts + part];
    scales[image] = scale_of<T>(total);
  }
  if (NONNEGATIVE || parts == 1) return;
  torch::stable::parallel_for(0, map.N * parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t work = begin; work < end; ++work) {
      const Part part(count, work % parts, parts);
      T* const descriptor = descriptors + work / parts * count;
      roots.multiply(descriptor + part.begin, part.end - part.begin, scales[work / parts]);
    }
  });
}

template <typename T>
void pool(const FeatureMap& map, bool nonnegative, bool packed, const Tensor& descriptor, const Tensor& scale) {
  auto* const descriptors = static_cast<T*>(descriptor.data_ptr());
  auto* const scales = static_cast<T*>(scale.data_ptr());
  nonnegative ? pool<T, true>(map, packed, descriptors, scales) : pool<T, false>(map, packed, descriptors, scales);
}

std::tuple<Tensor, Tensor> bilinear_pool(const Tensor& x, bool nonnegative, bool packed) {
  using torch::headeronly::ScalarType;
  const FeatureMap map(x);
  const bool doubles = map.dtype == Dtype::float64;
  const ScalarType dtype = doubles ? ScalarType::Double : ScalarType::Float;
  const int64_t columns = Descriptor<float>::count(map.C, packed);
  Tensor descriptor = torch::stable::new_empty(x, {map.N, columns}, dtype);
  Tensor scale = torch::stable::new_empty(x, {map.N}, dtype);
  if (doubles) {
    pool<double>(map, nonnegative, packed, descriptor, scale);
  } else {
    pool<float>(map, nonnegative, packed, descriptor, scale);
  }
  return {descriptor, scale};
}

// Sets tiles of H / s = s (du |u| / max(|u|, ROOT_FLOOR)^2 - <du, u> sign(u)).
template <typename T>
struct RootGradient {
  const RootKernels<T>& roots;
  const Descriptor<const T> u;
  const Descriptor<const T> du;
  T mean;
  T scale;

  void operator()(const GramTile& at, T* tile) const {
    alignas(64) T root[TILE];
    u.load(at, root);
    du.load(at, tile);
    clear_outside(at.region, root);
    clear_outside(at.region, tile);
    if (!du.packed()) average_with_transposed(at, tile);
    roots.gradient(root, tile, static_cast<T>(ROOT_FLOOR), mean, scale);
    if (at.region.upper) mirror(tile);
  }

  // u is symmetric and H is linear in du, so the mean of du and du^T gives the mean of H and H^T.
  void average_with_transposed(const GramTile& at, T* tile) const {
    alignas(64) T transposed[TILE] = {};
    du.load_transposed(at, transposed);
    for (int64_t i = 0; i < TILE; ++i) tile[i] = (tile[i] + transposed[i]) / 2;
  }
};

template <typename T>
void pool_backward(const Tensor& grad, const FeatureMap& map, const Tensor& descriptor, const Tensor& scale,
                   bool packed, const FeatureMap& result) {
  const Capability capability = cpu_capability();
  const RootKernels<T>& roots = root_kernels<T>(capability);
  const auto* const us = static_cast<const T*>(descriptor.data_ptr());
  const auto* const dus = static_cast<const T*>(grad.data_ptr());
  const auto* const scales = static_cast<const T*>(scale.data_ptr());
  const int64_t count = Descriptor<T>::count(map.C, packed);
  const int64_t columns = SymmetricProduct<T>::count_columns(map.L);
  const int64_t parts = std::min(columns, parts_per_image(map.N));
  torch::stable::parallel_for(0, map.N * parts, 1, [&](int64_t begin, int64_t end) {
    SymmetricProduct<T> product(tile_kernels<T>(capability, map.dtype), map, result);
    for (int64_t work = begin; work < end; ++work) {
      const int64_t image = work / parts;
      const T* const u = us + image * count;
      const T* const du = dus + image * count;
      const RootGradient<T> fill{
          roots, {u, map.C, packed}, {du, map.C, packed}, static_cast<T>(roots.dot(u, du, count)), scales[image]};
      product.compute(image, Part(columns, work % parts, parts), scales[image], fill);
    }
  });
}

Tensor bilinear_pool_backward(const Tensor& grad, const Tensor& x, const Tensor& descriptor, const Tensor& scale,
                              bool packed) {
  const FeatureMap map(x);
  const Tensor result = torch::stable::empty_like(x);
  const Tensor du = torch::stable::contiguous(grad);
  const Tensor u = torch::stable::contiguous(descriptor);
  const Tensor s = torch::stable::contiguous(scale);
  const Dtype wide = map.dtype == Dtype::float64 ? Dtype::float64 : Dtype::float32;
  for (const Tensor* each : {&du, &u}) {
    STD_TORCH_CHECK(dtype_of(*each) == wide && each->dim() == 2 && each->size(0) == map.N &&
                        each->size(1) == Descriptor<float>::count(map.C, packed),
                    "expected a descriptor and its gradient of x's batch and channels, in the accumulating dtype");
  }
  STD_TORCH_CHECK(dtype_of(s) == wide && s.numel() == map.N, "expected one scale per image, in the accumulating dtype");
  if (wide == Dtype::float64) {
    pool_backward<double>(du, map, u, s, packed, FeatureMap(result));
  } else {
    pool_backward<float>(du, map, u, s, packed, FeatureMap(result));
  }
  return result;
}

}  // namespace
}  // namespace fbn

STABLE_TORCH_LIBRARY_IMPL(fbn, CPU, m) {
  m.impl("bilinear_pool", TORCH_BOX(&fbn::bilinear_pool));
  m.impl("bilinear_pool_backward", TORCH_BOX(&fbn::bilinear_pool_backward));
}
