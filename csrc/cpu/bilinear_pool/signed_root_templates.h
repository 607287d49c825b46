// The functions of `RootKernels`, written once for the vectors V of every instruction set.
#pragma once

#include <cstdint>

#include "cpu/bilinear_pool/signed_root.h"
#include "cpu/gemm/gemm_tile.h"

namespace fbn {
namespace {

template <class V>
double sum_pair(typename V::Vector a, typename V::Vector b) {
  alignas(64) typename V::Scalar lanes[V::width];
  V::store(lanes, V::add(a, b));
  double sum = 0;
  for (const typename V::Scalar lane : lanes) sum += lane;
  return sum;
}

template <class V>
double signed_root(typename V::Scalar* tile, typename V::Scalar multiplicity, typename V::Scalar scale) {
  const typename V::Vector multiplicities = V::fill(multiplicity);
  const typename V::Vector scales = V::fill(scale);
  typename V::Vector sums[2] = {V::fill(0), V::fill(0)};
  for (int64_t i = 0; i < TILE; i += 2 * V::width) {
    for (int64_t half = 0; half < 2; ++half) {
      typename V::Scalar* const at = tile + i + half * V::width;
      const typename V::Vector value = V::multiply(V::load(at), multiplicities);
      const typename V::Vector magnitude = V::abs(value);
      sums[half] = V::add(sums[half], magnitude);
      V::store(at, V::multiply(V::copy_sign(V::sqrt(magnitude), value), scales));
    }
  }
  return sum_pair<V>(sums[0], sums[1]);
}

template <class V>
void root_gradient(const typename V::Scalar* u, typename V::Scalar* du, typename V::Scalar floor,
                   typename V::Scalar mean, typename V::Scalar factor) {
  const typename V::Vector floors = V::fill(floor);
  const typename V::Vector means = V::fill(mean);
  const typename V::Vector factors = V::fill(factor);
  for (int64_t i = 0; i < TILE; i += V::width) {
    const typename V::Vector root = V::load(u + i);
    const typename V::Vector magnitude = V::abs(root);
    // max returns its second argument if either is NaN.
    const typename V::Vector bounded = V::max(floors, magnitude);
    const typename V::Vector numerator = V::multiply(V::load(du + i), magnitude);
    const typename V::Vector slope = V::divide(numerator, V::multiply(bounded, bounded));
    const typename V::Vector sign = V::unless_zero(root, V::copy_sign(V::fill(1), root));
    V::store(du + i, V::multiply(V::subtract(slope, V::multiply(sign, means)), factors));
  }
}

template <class V>
double dot(const typename V::Scalar* a, const typename V::Scalar* b, int64_t count) {
  typename V::Vector sums[4] = {V::fill(0), V::fill(0), V::fill(0), V::fill(0)};
  int64_t i = 0;
  for (; i + 4 * V::width <= count; i += 4 * V::width) {
#pragma GCC unroll 4
    for (int64_t j = 0; j < 4; ++j) {
      sums[j] = V::multiply_add(V::load(a + i + j * V::width), V::load(b + i + j * V::width), sums[j]);
    }
  }
  double sum = sum_pair<V>(sums[0], sums[1]) + sum_pair<V>(sums[2], sums[3]);
  for (; i < count; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

template <class V>
void multiply_all(typename V::Scalar* values, int64_t count, typename V::Scalar factor) {
  const typename V::Vector factors = V::fill(factor);
  int64_t i = 0;
  for (; i + V::width <= count; i += V::width) V::store(values + i, V::multiply(V::load(values + i), factors));
  for (; i < count; ++i) values[i] *= factor;
}

template <class V>
constexpr RootKernels<typename V::Scalar> make_root_kernels() {
  return {signed_root<V>, root_gradient<V>, dot<V>, multiply_all<V>};
}

}  // namespace
}  // namespace fbn
