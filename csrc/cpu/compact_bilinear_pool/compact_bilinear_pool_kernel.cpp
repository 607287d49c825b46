// fbn::compact_bilinear_pool and its backward on the CPU; birdnet_cli/core/ops/compact_bilinear_pool.py has their
// formulas.
#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <vector>

#include "cpu/gram/feature_map.h"
#include "cpu/gram/gram.h"
#include "cpu/gram/symmetric_product.h"

namespace fbn {
namespace {

using torch::stable::Tensor;

// Buckets and signs of a count sketch, from a given channel up.
template <typename T>
struct Side {
  const int64_t* buckets;
  const T* signs;
};

// Buckets and signs of the two count sketches. Kernels index with h_i + g_j, without the mod dim, into arrays of 2 dim
// values: entries k and k + dim belong to the same bucket.
template <typename T>
struct Hashes {
  int64_t dim;
  std::vector<int64_t> buckets[2];
  std::vector<T> signs[2];

  Hashes(const Tensor& bucket_tensor, const Tensor& sign_tensor, int64_t C, int64_t dim) : dim(dim) {
    using torch::headeronly::ScalarType;
    for (const Tensor* each : {&bucket_tensor, &sign_tensor}) {
      STD_TORCH_CHECK(each->is_cpu() && each->dim() == 2 && each->size(0) == 2 && each->size(1) == C,
                      "expected buckets and signs [2, C] on the CPU");
    }
    STD_TORCH_CHECK(bucket_tensor.scalar_type() == ScalarType::Long && dim >= 1, "expected int64 buckets and dim >= 1");
    const ScalarType wide = sizeof(T) == sizeof(double) ? ScalarType::Double : ScalarType::Float;
    const Tensor all_buckets = torch::stable::contiguous(bucket_tensor);
    const Tensor all_signs = torch::stable::contiguous(torch::stable::to(sign_tensor, wide));
    const auto* bucket = static_cast<const int64_t*>(all_buckets.data_ptr());
    const auto* sign = static_cast<const T*>(all_signs.data_ptr());
    for (int64_t sketch = 0; sketch < 2; ++sketch, bucket += C, sign += C) {
      signs[sketch].assign(sign, sign + C);
      buckets[sketch].resize(C);
      // As in Python, the remainder of a negative bucket is not negative.
      for (int64_t c = 0; c < C; ++c) buckets[sketch][c] = (bucket[c] % dim + dim) % dim;
    }
  }

  Side<T> side(int64_t sketch, int64_t channel) const {
    return {buckets[sketch].data() + channel, signs[sketch].data() + channel};
  }
};

// Adds the tiles of an image's Gram matrix to the unreduced sketch of 2 dim values; G_ij and G_ji are the same value.
template <typename T>
struct SketchSink {
  static constexpr bool wants_sums = false;

  const Hashes<T>& hashes;
  T* const sketch;
  // Partial sums of the tiles from `first` up.
  T* const partial;
  const int64_t panels;
  const int64_t first;

  T* kept(const GramTile& at) const {
    const int64_t row = at.i0 / PANEL;
    const int64_t index = row * (2 * panels - row + 1) / 2 + (at.j0 / PANEL - row);
    return partial + (index - first) * TILE;
  }
  void store(const GramTile& at, const T* tile) const { std::copy_n(tile, TILE, kept(at)); }
  void load(const GramTile& at, T* tile) const { std::copy_n(kept(at), TILE, tile); }

  void finish(const GramTile& at, const T* tile) const {
    const Side<T> first_of_i = hashes.side(0, at.i0), second_of_i = hashes.side(1, at.i0);
    const Side<T> first_of_j = hashes.side(0, at.j0), second_of_j = hashes.side(1, at.j0);
    for (int64_t i = 0; i < at.region.rows; ++i) {
      const T* const row = tile + i * PANEL;
      if (at.region.upper) add(first_of_i, i, second_of_i, i, row[i]);
      for (int64_t j = at.region.upper ? i + 1 : 0; j < at.region.columns; ++j) {
        add(first_of_i, i, second_of_j, j, row[j]);
        add(first_of_j, j, second_of_i, i, row[j]);
      }
    }
  }

  void add(const Side<T>& first, int64_t i, const Side<T>& second, int64_t j, T value) const {
    sketch[first.buckets[i] + second.buckets[j]] += first.signs[i] * second.signs[j] * value;
  }
};

template <typename T>
void pool(const FeatureMap& map, const Hashes<T>& hashes, T* sketches) {
  const int64_t dim = hashes.dim;
  const TileKernels<T>& kernels = tile_kernels<T>(cpu_capability(), map.dtype);
  const int64_t tiles = Gram<T>::count_tiles(map.C);
  const int64_t parts = std::min(tiles, parts_per_image(map.N));
  // The sketches of an image's parts are added up when all parts are done.
  std::vector<T> parted(parts > 1 ? map.N * parts * dim : 0);
  T* const results = parts > 1 ? parted.data() : sketches;
  torch::stable::parallel_for(0, map.N * parts, 1, [&](int64_t begin, int64_t end) {
    Gram<T> gram(kernels, map);
    const Scratch<T> partial(gram.chunks() > 1 ? (tiles + parts - 1) / parts * TILE : 1);
    std::vector<T> sketch(2 * dim);
    for (int64_t work = begin; work < end; ++work) {
      const Part part(tiles, work % parts, parts);
      std::fill(sketch.begin(), sketch.end(), T(0));
      SketchSink<T> sink{hashes, sketch.data(), partial.get(), (map.C + PANEL - 1) / PANEL, part.begin};
      gram.compute(work / parts, part, sink);
      T* const result = results + work * dim;
      for (int64_t k = 0; k < dim; ++k) result[k] = sketch[k] + sketch[k + dim];
    }
  });
  if (parts == 1) return;
  for (int64_t image = 0; image < map.N; ++image) {
    T* const result = sketches + image * dim;
    std::fill_n(result, dim, T(0));
    for (int64_t part = 0; part < parts; ++part) {
      const T* const summand = results + (image * parts + part) * dim;
      for (int64_t k = 0; k < dim; ++k) result[k] += summand[k];
    }
  }
}

Tensor compact_bilinear_pool(const Tensor& x, const Tensor& buckets, const Tensor& signs, int64_t dim) {
  using torch::headeronly::ScalarType;
  const FeatureMap map(x);
  if (map.dtype == Dtype::float64) {
    const Tensor sketch = torch::stable::new_empty(x, {map.N, dim}, ScalarType::Double);
    pool<double>(map, Hashes<double>(buckets, signs, map.C, dim), static_cast<double*>(sketch.data_ptr()));
    return sketch;
  }
  const Tensor sketch = torch::stable::new_empty(x, {map.N, dim}, ScalarType::Float);
  pool<float>(map, Hashes<float>(buckets, signs, map.C, dim), static_cast<float*>(sketch.data_ptr()));
  return sketch;
}

// Sets tiles of H = dG + dG^T, where dG_ij is the signed gradient of the bucket of (i, j).
template <typename T>
struct SketchGradient {
  const Hashes<T>& hashes;
  // The gradient of the sketch, repeated twice: 2 dim values.
  const T* grad;

  void operator()(const GramTile& at, T* tile) const {
    const Side<T> first_of_i = hashes.side(0, at.i0), second_of_i = hashes.side(1, at.i0);
    const Side<T> first_of_j = hashes.side(0, at.j0), second_of_j = hashes.side(1, at.j0);
    std::fill_n(tile, TILE, T(0));
    for (int64_t i = 0; i < at.region.rows; ++i) {
      for (int64_t j = 0; j < at.region.columns; ++j) {
        tile[i * PANEL + j] = of_pair(first_of_i, i, second_of_j, j) + of_pair(first_of_j, j, second_of_i, i);
      }
    }
  }

  T of_pair(const Side<T>& first, int64_t i, const Side<T>& second, int64_t j) const {
    return first.signs[i] * second.signs[j] * grad[first.buckets[i] + second.buckets[j]];
  }
};

template <typename T>
void pool_backward(const T* grads, const FeatureMap& map, const Hashes<T>& hashes, const FeatureMap& result) {
  const int64_t dim = hashes.dim;
  const TileKernels<T>& kernels = tile_kernels<T>(cpu_capability(), map.dtype);
  const int64_t columns = SymmetricProduct<T>::count_columns(map.L);
  const int64_t parts = std::min(columns, parts_per_image(map.N));
  torch::stable::parallel_for(0, map.N * parts, 1, [&](int64_t begin, int64_t end) {
    SymmetricProduct<T> product(kernels, map, result);
    std::vector<T> twice(2 * dim);
    for (int64_t work = begin; work < end; ++work) {
      const int64_t image = work / parts;
      std::copy_n(grads + image * dim, dim, twice.begin());
      std::copy_n(grads + image * dim, dim, twice.begin() + dim);
      product.compute(image, Part(columns, work % parts, parts), T(1), SketchGradient<T>{hashes, twice.data()});
    }
  });
}

Tensor compact_bilinear_pool_backward(const Tensor& grad, const Tensor& x, const Tensor& buckets, const Tensor& signs) {
  const FeatureMap map(x);
  const Tensor result = torch::stable::empty_like(x);
  const Tensor dy = torch::stable::contiguous(grad);
  const Dtype wide = map.dtype == Dtype::float64 ? Dtype::float64 : Dtype::float32;
  STD_TORCH_CHECK(dtype_of(dy) == wide && dy.dim() == 2 && dy.size(0) == map.N,
                  "expected the gradient of one sketch per image, in the accumulating dtype");
  if (wide == Dtype::float64) {
    const Hashes<double> hashes(buckets, signs, map.C, dy.size(1));
    pool_backward<double>(static_cast<const double*>(dy.data_ptr()), map, hashes, FeatureMap(result));
  } else {
    const Hashes<float> hashes(buckets, signs, map.C, dy.size(1));
    pool_backward<float>(static_cast<const float*>(dy.data_ptr()), map, hashes, FeatureMap(result));
  }
  return result;
}

}  // namespace
}  // namespace fbn

STABLE_TORCH_LIBRARY_IMPL(fbn, CPU, m) {
  m.impl("compact_bilinear_pool", TORCH_BOX(&fbn::compact_bilinear_pool));
  m.impl("compact_bilinear_pool_backward", TORCH_BOX(&fbn::compact_bilinear_pool_backward));
}
