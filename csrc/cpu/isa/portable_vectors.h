// Vectors of 16 bytes in the compiler's own vector language (GCC and Clang; SSE2 on x86, NEON on ARM) for
// tile_templates.h and signed_root_templates.h.
#pragma once

#include <cmath>
#include <cstdint>

#include "cpu/gemm/plain_units.h"

namespace fbn {
namespace {

template <typename T>
struct Portable : PlainUnits<Portable<T>, T> {
  typedef T Vector __attribute__((vector_size(16)));
  static constexpr int64_t width = 16 / sizeof(T);
  static constexpr int64_t block_rows = 4;
  static constexpr int64_t block_columns = 2;

  static Vector fill(T value) { return value - Vector{}; }
  template <class Element>
  static Vector load(const Element* from) {
    Vector v;
    for (int64_t i = 0; i < width; ++i) v[i] = static_cast<T>(from[i]);
    return v;
  }
  template <class Element>
  static void store(Element* to, Vector v) {
    for (int64_t i = 0; i < width; ++i) to[i] = static_cast<Element>(v[i]);
  }

  static Vector add(Vector a, Vector b) { return a + b; }
  static Vector subtract(Vector a, Vector b) { return a - b; }
  static Vector multiply(Vector a, Vector b) { return a * b; }
  static Vector divide(Vector a, Vector b) { return a / b; }
  static Vector min(Vector a, Vector b) { return a < b ? a : b; }
  static Vector max(Vector a, Vector b) { return a > b ? a : b; }
  static Vector multiply_add(Vector a, Vector b, Vector c) { return a * b + c; }
  static Vector unless_zero(Vector v, Vector value) { return v != 0 ? value : Vector{}; }
  static Vector abs(Vector v) {
    for (int64_t i = 0; i < width; ++i) v[i] = std::abs(v[i]);
    return v;
  }
  static Vector sqrt(Vector v) {
    for (int64_t i = 0; i < width; ++i) v[i] = std::sqrt(v[i]);
    return v;
  }
  static Vector copy_sign(Vector magnitude, Vector sign) {
    for (int64_t i = 0; i < width; ++i) magnitude[i] = std::copysign(magnitude[i], sign[i]);
    return magnitude;
  }

  static Vector load_units(const T* from) { return load(from); }
  static Vector fill_unit(const T* from) { return fill(*from); }
  static void store_units(T* to, Vector v) { store(to, v); }
  static Vector dot(Vector a, Vector b, Vector c) { return a * b + c; }
  static Vector first(Vector units) { return units; }

  static void transpose(Vector (&v)[width]) {
    for (int64_t i = 0; i < width; ++i) {
      for (int64_t j = 0; j < i; ++j) {
        const T above = v[j][i];
        v[j][i] = v[i][j];
        v[i][j] = above;
      }
    }
  }
};

}  // namespace
}  // namespace fbn
