// SPDX-License-Identifier: Apache-2.0
// Vectors of floats as wide as the flags of the including file allow. Everything lies in an anonymous namespace and no
// standard templates are used, so that the linker never picks code compiled for another instruction set.
//
// The including file says which vectors it wants by its compiler flags; every compiler for 64-bit Arm knows NEON, and
// EDGESMITH_SCALAR asks for single floats there.
#pragma once

#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__ARM_NEON) && !defined(EDGESMITH_SCALAR)

#include "runtime/native/isa/vec_neon.h"

#else

namespace {

#if defined(__AVX512F__)

using Vec = __m512;
constexpr int kLanes = 16;
constexpr int kTileVectors = 4, kTileSums = 24;  // with 4 of B and the broadcast: 29 of 32 registers
constexpr bool kMasksTaps = true;                // Mask from bits: NativeTable::masks_taps
inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
inline void prefetch(const float* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1); }
inline __mmask16 first(int n) { return static_cast<__mmask16>((1U << n) - 1U); }
inline Vec load_n(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
inline void store_n(float* p, Vec v, int n) { _mm512_mask_storeu_ps(p, first(n), v); }
// The numbers at even places of a, then of b.
inline Vec even_numbers(Vec a, Vec b) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  return _mm512_permutex2var_ps(a, even, b);
}
inline Vec odd_numbers(Vec a, Vec b) {
  const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  return _mm512_permutex2var_ps(a, odd, b);
}
// The first numbers of a and b in turns, then the others: the opposite of the two above.
inline void interleave(Vec a, Vec b, Vec& low, Vec& high) {
  const __m512i lower = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  low = _mm512_permutex2var_ps(a, lower, b);
  high = _mm512_permutex2var_ps(a, _mm512_add_epi32(lower, _mm512_set1_epi32(8)), b);
}
// Lanes [begin, end), where either may lie outside the vector; what is masked out is not read, and zero.
using Mask = __mmask16;
inline Mask mask_between(int64_t begin, int64_t end) {
  const auto below = [](int64_t n) { return n <= 0 ? 0U : n >= 16 ? 0xFFFFU : (1U << n) - 1U; };
  return static_cast<Mask>(below(end) & ~below(begin));
}
inline Mask mask_of_bits(uint32_t bits) { return static_cast<Mask>(bits); }
inline Vec load_masked(const float* p, Mask mask) { return _mm512_maskz_loadu_ps(mask, p); }
// Swaps rows and columns of kLanes vectors.
inline void transpose(Vec* v) {
  Vec t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 4) {  // four rows: pairs, then fours of one column inside every 128 bits
    const Vec a = _mm512_unpacklo_ps(v[i], v[i + 1]), b = _mm512_unpackhi_ps(v[i], v[i + 1]);
    const Vec c = _mm512_unpacklo_ps(v[i + 2], v[i + 3]), d = _mm512_unpackhi_ps(v[i + 2], v[i + 3]);
    t[i] = _mm512_shuffle_ps(a, c, _MM_SHUFFLE(1, 0, 1, 0));
    t[i + 1] = _mm512_shuffle_ps(a, c, _MM_SHUFFLE(3, 2, 3, 2));
    t[i + 2] = _mm512_shuffle_ps(b, d, _MM_SHUFFLE(1, 0, 1, 0));
    t[i + 3] = _mm512_shuffle_ps(b, d, _MM_SHUFFLE(3, 2, 3, 2));
  }
#pragma GCC unroll 16
  for (int i = 0; i < 4; ++i) {  // t[4 * r + i], 128 bits q: rows 4 * r and on, column 4 * q + i
    const Vec a = _mm512_shuffle_f32x4(t[i], t[i + 4], _MM_SHUFFLE(1, 0, 1, 0));
    const Vec b = _mm512_shuffle_f32x4(t[i], t[i + 4], _MM_SHUFFLE(3, 2, 3, 2));
    const Vec c = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], _MM_SHUFFLE(1, 0, 1, 0));
    const Vec d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], _MM_SHUFFLE(3, 2, 3, 2));
    v[i] = _mm512_shuffle_f32x4(a, c, _MM_SHUFFLE(2, 0, 2, 0));
    v[i + 4] = _mm512_shuffle_f32x4(a, c, _MM_SHUFFLE(3, 1, 3, 1));
    v[i + 8] = _mm512_shuffle_f32x4(b, d, _MM_SHUFFLE(2, 0, 2, 0));
    v[i + 12] = _mm512_shuffle_f32x4(b, d, _MM_SHUFFLE(3, 1, 3, 1));
  }
}
constexpr int kHalf = 8;
// Copies n (at most kHalf) floats; kHalf are written.
inline void copy_half(float* to, const float* from, int n) {
  _mm256_storeu_ps(to, _mm256_maskz_loadu_ps(static_cast<__mmask8>((1U << n) - 1U), from));
}
inline Vec set1(float x) { return _mm512_set1_ps(x); }
inline Vec fmadd(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
inline Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
inline Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
inline Vec round_even(Vec a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline Vec square_root(Vec a) { return _mm512_sqrt_ps(a); }
// a < b ? x : y.
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}
// 2^n for whole n in [-126, 127].
inline Vec power_of_two(Vec n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}
// Of normal numbers x > 0: x = m * 2^e with m in [1, 2).
inline Vec exponent_of(Vec x) { return _mm512_getexp_ps(x); }
inline Vec mantissa_of(Vec x) { return _mm512_getmant_ps(x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src); }

#elif defined(__AVX2__)

using Vec = __m256;
constexpr int kLanes = 8;
constexpr int kTileVectors = 3, kTileSums = 12;  // with 3 of B and the broadcast: 16 registers
constexpr bool kMasksTaps = false;               // a mask takes a register: 18 % slower than reading copies (Zen 5)
inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
inline void prefetch(const float* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1); }
inline __m256i first(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline Vec load_n(const float* p, int n) { return _mm256_maskload_ps(p, first(n)); }
inline void store_n(float* p, Vec v, int n) { _mm256_maskstore_ps(p, first(n), v); }
inline Vec even_numbers(Vec a, Vec b) {
  const __m256d mixed = _mm256_castps_pd(_mm256_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0)));
  return _mm256_castpd_ps(_mm256_permute4x64_pd(mixed, _MM_SHUFFLE(3, 1, 2, 0)));
}
inline Vec odd_numbers(Vec a, Vec b) {
  const __m256d mixed = _mm256_castps_pd(_mm256_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1)));
  return _mm256_castpd_ps(_mm256_permute4x64_pd(mixed, _MM_SHUFFLE(3, 1, 2, 0)));
}
inline void interleave(Vec a, Vec b, Vec& low, Vec& high) {
  const __m256 first = _mm256_unpacklo_ps(a, b), second = _mm256_unpackhi_ps(a, b);
  low = _mm256_permute2f128_ps(first, second, 0x20);
  high = _mm256_permute2f128_ps(first, second, 0x31);
}
using Mask = __m256i;
inline Mask mask_between(int64_t begin, int64_t end) {
  const auto limit = [](int64_t n) { return n < 0 ? 0 : n > 8 ? 8 : static_cast<int>(n); };
  return _mm256_andnot_si256(first(limit(begin)), first(limit(end)));
}
inline Vec load_masked(const float* p, Mask mask) { return _mm256_maskload_ps(p, mask); }
inline void transpose(Vec* v) {
  Vec t[8];
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    const Vec a = _mm256_unpacklo_ps(v[i], v[i + 1]), b = _mm256_unpackhi_ps(v[i], v[i + 1]);
    const Vec c = _mm256_unpacklo_ps(v[i + 2], v[i + 3]), d = _mm256_unpackhi_ps(v[i + 2], v[i + 3]);
    t[i] = _mm256_shuffle_ps(a, c, _MM_SHUFFLE(1, 0, 1, 0));
    t[i + 1] = _mm256_shuffle_ps(a, c, _MM_SHUFFLE(3, 2, 3, 2));
    t[i + 2] = _mm256_shuffle_ps(b, d, _MM_SHUFFLE(1, 0, 1, 0));
    t[i + 3] = _mm256_shuffle_ps(b, d, _MM_SHUFFLE(3, 2, 3, 2));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
    v[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
  }
}
constexpr int kHalf = 4;
inline void copy_half(float* to, const float* from, int n) {
  const __m128i mask = _mm_cmpgt_epi32(_mm_set1_epi32(n), _mm_setr_epi32(0, 1, 2, 3));
  _mm_storeu_ps(to, _mm_maskload_ps(from, mask));
}
inline Vec set1(float x) { return _mm256_set1_ps(x); }
inline Vec fmadd(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
inline Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm256_div_ps(a, b); }
inline Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
inline Vec min(Vec a, Vec b) { return _mm256_min_ps(a, b); }
inline Vec round_even(Vec a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline Vec square_root(Vec a) { return _mm256_sqrt_ps(a); }
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) { return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
inline Vec power_of_two(Vec n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
inline Vec exponent_of(Vec x) {
  const __m256i bits = _mm256_srli_epi32(_mm256_castps_si256(x), 23);
  return _mm256_cvtepi32_ps(_mm256_sub_epi32(bits, _mm256_set1_epi32(127)));
}
inline Vec mantissa_of(Vec x) {
  const Vec bits = _mm256_and_ps(x, _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFF)));
  return _mm256_or_ps(bits, _mm256_set1_ps(1));
}

#else

using Vec = float;
constexpr int kLanes = 1;
constexpr int kTileVectors = 3, kTileSums = 12;
constexpr bool kMasksTaps = true;
inline Vec load(const float* p) { return *p; }
inline void store(float* p, Vec v) { *p = v; }
inline void prefetch(const float*) {}
inline Vec load_n(const float* p, int) { return *p; }
inline void store_n(float* p, Vec v, int) { *p = v; }
inline Vec even_numbers(Vec a, Vec) { return a; }
inline Vec odd_numbers(Vec, Vec b) { return b; }
inline void interleave(Vec a, Vec b, Vec& low, Vec& high) {
  low = a;
  high = b;
}
using Mask = bool;
inline Mask mask_between(int64_t begin, int64_t end) { return begin <= 0 && end > 0; }
inline Mask mask_of_bits(uint32_t bits) { return (bits & 1U) != 0; }
inline Vec load_masked(const float* p, Mask mask) { return mask ? *p : 0.0F; }
inline void transpose(Vec*) {}
constexpr int kHalf = 0;
inline void copy_half(float*, const float*, int) {}
inline Vec set1(float x) { return x; }
inline Vec fmadd(Vec a, Vec b, Vec c) { return __builtin_fmaf(a, b, c); }
inline Vec add(Vec a, Vec b) { return a + b; }
inline Vec sub(Vec a, Vec b) { return a - b; }
inline Vec mul(Vec a, Vec b) { return a * b; }
inline Vec div(Vec a, Vec b) { return a / b; }
// As the vector instructions do: the second operand when the two are equal or one is not a number.
inline Vec max(Vec a, Vec b) { return a > b ? a : b; }
inline Vec min(Vec a, Vec b) { return a < b ? a : b; }
inline Vec round_even(Vec a) { return __builtin_nearbyintf(a); }
inline Vec square_root(Vec a) { return __builtin_sqrtf(a); }
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) { return a < b ? x : y; }
inline Vec power_of_two(Vec n) {
  if (n != n) return n;
  const uint32_t bits = static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23;
  float out;
  __builtin_memcpy(&out, &bits, 4);
  return out;
}
inline Vec exponent_of(Vec x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  return static_cast<float>(static_cast<int>(bits >> 23) - 127);
}
inline Vec mantissa_of(Vec x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  bits = (bits & 0x7FFFFFU) | 0x3F800000U;
  __builtin_memcpy(&x, &bits, 4);
  return x;
}

#endif

}  // namespace

#endif
