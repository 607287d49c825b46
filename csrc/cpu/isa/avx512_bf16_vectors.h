// Vectors of AVX-512 with its bfloat16 instructions for tile_templates.h.
#pragma once

#include "cpu/isa/avx512_vectors.h"

namespace fbn {
namespace {

// Panels of bfloat16 pairs: a unit holds two consecutive depths of one row, and one instruction multiplies both.
struct Avx512Pairs : Avx512Float {
  using Unit = uint32_t;
  static constexpr int64_t depth_per_unit = 2;

  static Vector load_units(const Unit* from) { return _mm512_castsi512_ps(_mm512_load_si512(from)); }
  static Vector fill_unit(const Unit* from) { return _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(*from))); }
  static void store_units(Unit* to, Vector v) { _mm512_store_si512(to, _mm512_castps_si512(v)); }
  static Vector dot(Vector a, Vector b, Vector c) {
    return _mm512_dpbf16_ps(c, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
  static Vector load_along(const BFloat16* from) { return _mm512_castsi512_ps(_mm512_loadu_si512(from)); }
  static Vector load_along(const float* from) {
    return reinterpret_cast<Vector>(_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + 16), _mm512_loadu_ps(from)));
  }
  static Vector load_across(const BFloat16* from, const BFloat16* next) {
    const __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    const Vector high = next == nullptr ? _mm512_setzero_ps() : load(next);
    return _mm512_or_ps(_mm512_castsi512_ps(low), high);
  }
  static Vector load_across(const float* from, const float* next) {
    const __m512i low = _mm512_cvtepu16_epi32(round(from));
    const __m512i high = next == nullptr ? _mm512_setzero_si512() : _mm512_cvtepu16_epi32(round(next));
    return _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
  }
  static Unit unit(const BFloat16* from, const BFloat16* next) {
    return from->x | (next == nullptr ? 0U : static_cast<uint32_t>(next->x) << 16);
  }
  static Unit unit(const float* from, const float* next) {
    const BFloat16 second = next == nullptr ? 0.0F : *next;
    return BFloat16(*from).x | static_cast<uint32_t>(second.x) << 16;
  }
  static Vector first(Vector units) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(units), 16)); }
  static Vector second(Vector units) {
    return _mm512_castsi512_ps(
        _mm512_and_si512(_mm512_castps_si512(units), _mm512_set1_epi32(static_cast<int>(0xffff0000))));
  }

 private:
  static __m256i round(const float* from) {
    return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(from)));
  }
};

}  // namespace
}  // namespace fbn
