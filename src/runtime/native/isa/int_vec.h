// SPDX-License-Identifier: Apache-2.0
// Vectors of 32-bit integers, and what kernels on codes do with them. As vec.h: everything in an anonymous namespace.
//
// The including file says which implementation it wants: by its compiler flags, or by EDGESMITH_PORTABLE_LANES (4, 8
// or 16), which emulates vectors of that width in plain C++, so that the packing, tiling and tails of kernels for CPUs
// that are not at hand run everywhere. Four lanes behave as NEON without dot products.
//
// A group is 32 bits of a lane: 4 unsigned bytes against 4 signed ones, or 2 signed words against 2. Where kByteOffset
// is not 0, products are those of the bytes less it. Where kGroupsAtOnce is not 1, tiles load so many groups of inputs
// at once and each is taken from its lane (load_groups, dot_group).
#pragma once

#include <cstdint>

#if defined(EDGESMITH_PORTABLE_LANES)
#elif defined(__ARM_NEON)
#include "runtime/native/isa/int_vec_neon.h"
#else
#include <immintrin.h>
#endif

namespace {

#if defined(EDGESMITH_PORTABLE_LANES)

constexpr int kIntLanes = EDGESMITH_PORTABLE_LANES;
using Ints = int32_t __attribute__((vector_size(4 * kIntLanes)));
using Reals = float __attribute__((vector_size(4 * kIntLanes)));
constexpr bool kExactBytes = kIntLanes != 4;  // dot_bytes is exact whatever the bytes
constexpr int kByteOffset = kIntLanes == 4 ? 128 : 0;
constexpr int kGroupsAtOnce = kIntLanes == 4 ? 4 : 1;
constexpr int tile_rows(int vectors) {
  return kIntLanes == 4 ? (vectors == 3 ? 6 : 8) : kIntLanes == 16 ? 8 : 4 / vectors;
}
constexpr int kBestVectors = kIntLanes == 4 ? 2 : 3;
inline Ints load_ints(const void* p) {
  Ints v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline void store_ints(void* p, Ints v) { __builtin_memcpy(p, &v, sizeof v); }
inline Ints set_ints(int32_t x) { return x - Ints{}; }
inline Ints add_ints(Ints a, Ints b) { return a + b; }
inline Ints sub_ints(Ints a, Ints b) { return a - b; }
inline Ints xor_ints(Ints a, Ints b) { return a ^ b; }
// kIntLanes unsigned bytes.
inline Ints load_bytes(const uint8_t* p) {
  Ints v;
  for (int lane = 0; lane < kIntLanes; ++lane) v[lane] = p[lane];
  return v;
}
// The larger of unsigned bytes.
inline Ints max_bytes(Ints a, Ints b) {
  uint8_t x[4 * kIntLanes], y[4 * kIntLanes];
  store_ints(x, a);
  store_ints(y, b);
  for (int i = 0; i < 4 * kIntLanes; ++i) x[i] = x[i] > y[i] ? x[i] : y[i];
  return load_ints(x);
}
// Signed bytes, pairs of products in 16 bits.
inline Ints dot_signed(Ints sum, Ints a, Ints w) {
  const Ints low = (a << 24 >> 24) * (w << 24 >> 24) + (a << 16 >> 24) * (w << 16 >> 24);
  const Ints high = (a << 8 >> 24) * (w << 8 >> 24) + (a >> 24) * (w >> 24);
  return sum + (low << 16 >> 16) + (high << 16 >> 16);
}
inline Ints less_offset(Ints a) { return kByteOffset == 0 ? a : a ^ set_ints(static_cast<int32_t>(0x80808080U)); }
inline Ints dot_bytes(Ints sum, Ints a, Ints w) {
  if (!kExactBytes) return dot_signed(sum, less_offset(a), w);
  return sum + (a & 255) * (w << 24 >> 24) + (a >> 8 & 255) * (w << 16 >> 24) + (a >> 16 & 255) * (w << 8 >> 24) +
         (a >> 24 & 255) * (w >> 24);
}
inline Ints dot_words(Ints sum, Ints a, Ints w) {
  return sum + (a << 16 >> 16) * (w << 16 >> 16) + (a >> 16) * (w >> 16);
}
template <bool Words>
inline Ints load_groups(const void* p) {
  return Words ? load_ints(p) : less_offset(load_ints(p));
}
template <bool Words, int Group>
inline Ints dot_group(Ints sum, Ints groups, Ints w) {
  const Ints a = set_ints(groups[Group]);
  return Words ? dot_words(sum, a, w) : dot_signed(sum, a, w);
}
inline Reals load_reals(const float* p) {
  Reals v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline Reals set_reals(float x) { return x - Reals{}; }
inline Reals mul_reals(Reals a, Reals b) { return a * b; }
inline Reals div_reals(Reals a, Reals b) { return a / b; }
inline Reals fma_reals(Reals a, Reals b, Reals c) {
  Reals v;
  for (int lane = 0; lane < kIntLanes; ++lane) v[lane] = __builtin_fmaf(a[lane], b[lane], c[lane]);
  return v;
}
// As the vector instructions do: the second operand when one is not a number.
inline Reals min_reals(Reals a, Reals b) { return a < b ? a : b; }
inline Reals max_reals(Reals a, Reals b) { return a > b ? a : b; }
inline Reals to_reals(Ints v) { return __builtin_convertvector(v, Reals); }
// To nearest, half to even; x is at most 2^22, and anything under -2^22 comes out as that.
inline Ints round_reals(Reals x) {
  constexpr float kShift = 12582912.0F;
  return __builtin_convertvector((max_reals(x, set_reals(-4194304)) + kShift) - kShift, Ints);
}

#elif defined(__AVX512F__)

constexpr int kIntLanes = 16;
constexpr int kByteOffset = 0, kGroupsAtOnce = 1;
using Ints = __m512i;
using Reals = __m512;
constexpr int tile_rows(int) { return 8; }  // by 3 vectors: 24 sums, 3 of weights, the broadcast, constants
constexpr int kBestVectors = 3;
inline Ints load_ints(const void* p) { return _mm512_loadu_si512(p); }
inline void store_ints(void* p, Ints v) { _mm512_storeu_si512(p, v); }
inline Ints set_ints(int32_t x) { return _mm512_set1_epi32(x); }
inline Ints add_ints(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
inline Ints sub_ints(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
inline Ints xor_ints(Ints a, Ints b) { return _mm512_xor_si512(a, b); }
inline Ints load_bytes(const uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Ints max_bytes(Ints a, Ints b) { return _mm512_max_epu8(a, b); }
#if defined(__AVX512VNNI__)
constexpr bool kExactBytes = true;
inline Ints dot_bytes(Ints sum, Ints a, Ints w) { return _mm512_dpbusd_epi32(sum, a, w); }
inline Ints dot_words(Ints sum, Ints a, Ints w) { return _mm512_dpwssd_epi32(sum, a, w); }
#else
constexpr bool kExactBytes = false;  // pairs saturate at 16 bits
inline Ints dot_bytes(Ints sum, Ints a, Ints w) {
  return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(a, w), _mm512_set1_epi16(1)));
}
inline Ints dot_words(Ints sum, Ints a, Ints w) { return _mm512_add_epi32(sum, _mm512_madd_epi16(a, w)); }
#endif
inline Reals load_reals(const float* p) { return _mm512_loadu_ps(p); }
inline Reals set_reals(float x) { return _mm512_set1_ps(x); }
inline Reals mul_reals(Reals a, Reals b) { return _mm512_mul_ps(a, b); }
inline Reals div_reals(Reals a, Reals b) { return _mm512_div_ps(a, b); }
inline Reals fma_reals(Reals a, Reals b, Reals c) { return _mm512_fmadd_ps(a, b, c); }
inline Reals min_reals(Reals a, Reals b) { return _mm512_min_ps(a, b); }
inline Reals max_reals(Reals a, Reals b) { return _mm512_max_ps(a, b); }
inline Reals to_reals(Ints v) { return _mm512_cvtepi32_ps(v); }
inline Ints round_reals(Reals x) { return _mm512_cvtps_epi32(x); }

#elif defined(__AVX2__)

constexpr int kIntLanes = 8;
constexpr int kByteOffset = 0, kGroupsAtOnce = 1;
using Ints = __m256i;
using Reals = __m256;
constexpr int tile_rows(int vectors) { return vectors == 1 ? 8 : 12 / vectors; }  // 12 sums of 16 registers
constexpr int kBestVectors = 2;
inline Ints load_ints(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void store_ints(void* p, Ints v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
inline Ints set_ints(int32_t x) { return _mm256_set1_epi32(x); }
inline Ints add_ints(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
inline Ints sub_ints(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
inline Ints xor_ints(Ints a, Ints b) { return _mm256_xor_si256(a, b); }
inline Ints load_bytes(const uint8_t* p) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
inline Ints max_bytes(Ints a, Ints b) { return _mm256_max_epu8(a, b); }
#if defined(__AVXVNNI__)
constexpr bool kExactBytes = true;
inline Ints dot_bytes(Ints sum, Ints a, Ints w) { return _mm256_dpbusd_avx_epi32(sum, a, w); }
inline Ints dot_words(Ints sum, Ints a, Ints w) { return _mm256_dpwssd_avx_epi32(sum, a, w); }
#else
constexpr bool kExactBytes = false;
inline Ints dot_bytes(Ints sum, Ints a, Ints w) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, w), _mm256_set1_epi16(1)));
}
inline Ints dot_words(Ints sum, Ints a, Ints w) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, w)); }
#endif
inline Reals load_reals(const float* p) { return _mm256_loadu_ps(p); }
inline Reals set_reals(float x) { return _mm256_set1_ps(x); }
inline Reals mul_reals(Reals a, Reals b) { return _mm256_mul_ps(a, b); }
inline Reals div_reals(Reals a, Reals b) { return _mm256_div_ps(a, b); }
inline Reals fma_reals(Reals a, Reals b, Reals c) { return _mm256_fmadd_ps(a, b, c); }
inline Reals min_reals(Reals a, Reals b) { return _mm256_min_ps(a, b); }
inline Reals max_reals(Reals a, Reals b) { return _mm256_max_ps(a, b); }
inline Reals to_reals(Ints v) { return _mm256_cvtepi32_ps(v); }
inline Ints round_reals(Reals x) { return _mm256_cvtps_epi32(x); }

#endif

// The groups at p, and the products of one of them: only where kGroupsAtOnce is not 1.
template <bool Words>
Ints load_groups(const void* p);
template <bool Words, int Group>
Ints dot_group(Ints sum, Ints groups, Ints w);

// One group in every lane.
inline Ints broadcast_group(const void* p) {
  int32_t group;
  __builtin_memcpy(&group, p, sizeof group);
  return set_ints(group);
}

}  // namespace
