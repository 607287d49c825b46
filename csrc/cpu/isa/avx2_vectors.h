// Vectors of AVX2 with FMA and F16C for tile_templates.h and signed_root_templates.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "cpu/gemm/plain_units.h"

namespace fbn {
namespace {

struct Avx2Float : PlainUnits<Avx2Float, float> {
  using Vector = __m256;
  static constexpr int64_t width = 8;
  static constexpr int64_t block_rows = 4;
  static constexpr int64_t block_columns = 2;

  static Vector fill(float value) { return _mm256_set1_ps(value); }
  static Vector load(const float* from) { return _mm256_loadu_ps(from); }
  static Vector load(const BFloat16* from) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  static Vector load(const Half* from) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static void store(float* to, Vector v) { _mm256_storeu_ps(to, v); }
  static void store(BFloat16* to, Vector v) {
    // Round to nearest even by adding half of the last place, and its parity; the carry may reach the exponent.
    const __m256i bits = _mm256_castps_si256(v);
    const __m256i parity = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), parity);
    const Vector nan = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000));
    const Vector safe = _mm256_blendv_ps(_mm256_castsi256_ps(rounded), nan, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i top = _mm256_srli_epi32(_mm256_castps_si256(safe), 16);
    const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(top), _mm256_extracti128_si256(top, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), packed);
  }
  static void store(Half* to, Vector v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }

  static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static Vector subtract(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
  static Vector multiply(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
  static Vector divide(Vector a, Vector b) { return _mm256_div_ps(a, b); }
  static Vector min(Vector a, Vector b) { return _mm256_min_ps(a, b); }
  static Vector max(Vector a, Vector b) { return _mm256_max_ps(a, b); }
  static Vector abs(Vector v) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), v); }
  static Vector sqrt(Vector v) { return _mm256_sqrt_ps(v); }
  static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
  static Vector copy_sign(Vector magnitude, Vector sign) {
    return _mm256_or_ps(magnitude, _mm256_and_ps(sign, _mm256_set1_ps(-0.0F)));
  }
  static Vector unless_zero(Vector v, Vector value) {
    return _mm256_and_ps(_mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_NEQ_UQ), value);
  }

  static Vector load_units(const Unit* from) { return _mm256_load_ps(from); }
  static Vector fill_unit(const Unit* from) { return _mm256_broadcast_ss(from); }
  static void store_units(Unit* to, Vector v) { _mm256_store_ps(to, v); }
  static Vector dot(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
  static Vector first(Vector units) { return units; }

  static void transpose(Vector (&v)[8]) {
    Vector pairs[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
      pairs[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
      pairs[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
    }
    Vector quads[8];
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
      quads[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
      quads[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
      quads[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
      quads[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      v[c] = _mm256_permute2f128_ps(quads[c], quads[4 + c], 0x20);
      v[4 + c] = _mm256_permute2f128_ps(quads[c], quads[4 + c], 0x31);
    }
  }
};

struct Avx2Double : PlainUnits<Avx2Double, double> {
  using Vector = __m256d;
  static constexpr int64_t width = 4;
  static constexpr int64_t block_rows = 4;
  static constexpr int64_t block_columns = 2;

  static Vector fill(double value) { return _mm256_set1_pd(value); }
  static Vector load(const double* from) { return _mm256_loadu_pd(from); }
  static void store(double* to, Vector v) { _mm256_storeu_pd(to, v); }

  static Vector add(Vector a, Vector b) { return _mm256_add_pd(a, b); }
  static Vector subtract(Vector a, Vector b) { return _mm256_sub_pd(a, b); }
  static Vector multiply(Vector a, Vector b) { return _mm256_mul_pd(a, b); }
  static Vector divide(Vector a, Vector b) { return _mm256_div_pd(a, b); }
  static Vector min(Vector a, Vector b) { return _mm256_min_pd(a, b); }
  static Vector max(Vector a, Vector b) { return _mm256_max_pd(a, b); }
  static Vector abs(Vector v) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), v); }
  static Vector sqrt(Vector v) { return _mm256_sqrt_pd(v); }
  static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_pd(a, b, c); }
  static Vector copy_sign(Vector magnitude, Vector sign) {
    return _mm256_or_pd(magnitude, _mm256_and_pd(sign, _mm256_set1_pd(-0.0)));
  }
  static Vector unless_zero(Vector v, Vector value) {
    return _mm256_and_pd(_mm256_cmp_pd(v, _mm256_setzero_pd(), _CMP_NEQ_UQ), value);
  }

  static Vector load_units(const Unit* from) { return _mm256_load_pd(from); }
  static Vector fill_unit(const Unit* from) { return _mm256_broadcast_sd(from); }
  static void store_units(Unit* to, Vector v) { _mm256_store_pd(to, v); }
  static Vector dot(Vector a, Vector b, Vector c) { return _mm256_fmadd_pd(a, b, c); }
  static Vector first(Vector units) { return units; }

  static void transpose(Vector (&v)[4]) {
    const Vector top[] = {_mm256_unpacklo_pd(v[0], v[1]), _mm256_unpackhi_pd(v[0], v[1])};
    const Vector bottom[] = {_mm256_unpacklo_pd(v[2], v[3]), _mm256_unpackhi_pd(v[2], v[3])};
#pragma GCC unroll 2
    for (int c = 0; c < 2; ++c) {
      v[c] = _mm256_permute2f128_pd(top[c], bottom[c], 0x20);
      v[2 + c] = _mm256_permute2f128_pd(top[c], bottom[c], 0x31);
    }
  }
};

}  // namespace
}  // namespace fbn
