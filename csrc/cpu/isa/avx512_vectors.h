// Vectors of AVX-512 for tile_templates.h and signed_root_templates.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "cpu/gemm/plain_units.h"

namespace fbn {
namespace {

struct Avx512Float : PlainUnits<Avx512Float, float> {
  using Vector = __m512;
  static constexpr int64_t width = 16;
  // Accumulators of the micro-kernel: 16 of the 32 registers hide the latency of two multiply-adds per cycle.
  static constexpr int64_t block_rows = 8;
  static constexpr int64_t block_columns = 2;

  static Vector fill(float value) { return _mm512_set1_ps(value); }
  static Vector load(const float* from) { return _mm512_loadu_ps(from); }
  static Vector load(const BFloat16* from) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
  static Vector load(const Half* from) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  static void store(float* to, Vector v) { _mm512_storeu_ps(to, v); }
  static void store(BFloat16* to, Vector v) {
    // Round to nearest even by adding half of the last place, and its parity; the carry may reach the exponent.
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i parity = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), parity);
    const __m512i nan = _mm512_set1_epi32(0x7fc00000);
    const __m512i safe = _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), nan);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(_mm512_srli_epi32(safe, 16)));
  }
  static void store(Half* to, Vector v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }

  static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static Vector subtract(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
  static Vector multiply(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
  static Vector divide(Vector a, Vector b) { return _mm512_div_ps(a, b); }
  static Vector min(Vector a, Vector b) { return _mm512_min_ps(a, b); }
  static Vector max(Vector a, Vector b) { return _mm512_max_ps(a, b); }
  static Vector abs(Vector v) { return _mm512_abs_ps(v); }
  static Vector sqrt(Vector v) { return _mm512_sqrt_ps(v); }
  static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
  // `magnitude` (not negative) with the sign of `sign`.
  static Vector copy_sign(Vector magnitude, Vector sign) {
    return _mm512_or_ps(magnitude, _mm512_and_ps(sign, _mm512_set1_ps(-0.0F)));
  }
  // 0 where v is 0, else `value`.
  static Vector unless_zero(Vector v, Vector value) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ), value);
  }

  static Vector load_units(const Unit* from) { return _mm512_load_ps(from); }
  static Vector fill_unit(const Unit* from) { return _mm512_set1_ps(*from); }
  static void store_units(Unit* to, Vector v) { _mm512_store_ps(to, v); }
  // c + a * b, where a and b are units.
  static Vector dot(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
  // The first depth of each unit as values: a unit of this type holds a single depth.
  static Vector first(Vector units) { return units; }

  static void transpose(Vector (&v)[16]) {
    Vector pairs[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
      pairs[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
      pairs[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
      v[i] = _mm512_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
      v[i + 1] = _mm512_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
      v[i + 2] = _mm512_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
      v[i + 3] = _mm512_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
    }
    // v[4 r + c] now holds, in its 128-bit lane q, column 4 q + c of rows 4 r to 4 r + 3.
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      const Vector even_top = _mm512_shuffle_f32x4(v[c], v[4 + c], 0x88);
      const Vector even_bottom = _mm512_shuffle_f32x4(v[8 + c], v[12 + c], 0x88);
      const Vector odd_top = _mm512_shuffle_f32x4(v[c], v[4 + c], 0xdd);
      const Vector odd_bottom = _mm512_shuffle_f32x4(v[8 + c], v[12 + c], 0xdd);
      v[c] = _mm512_shuffle_f32x4(even_top, even_bottom, 0x88);
      v[8 + c] = _mm512_shuffle_f32x4(even_top, even_bottom, 0xdd);
      v[4 + c] = _mm512_shuffle_f32x4(odd_top, odd_bottom, 0x88);
      v[12 + c] = _mm512_shuffle_f32x4(odd_top, odd_bottom, 0xdd);
    }
  }
};

}  // namespace
}  // namespace fbn
