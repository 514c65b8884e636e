// SPDX-License-Identifier: Apache-2.0
// From sums to stored codes, four vectors at a time.
#pragma once

#include "runtime/native/int_table.h"
#include "runtime/native/isa/int_vec.h"

namespace {

using edgesmith::runtime::native::CodeStore;

// Codes less their zero point, clamped to what 16 bits hold: the pack that follows saturates, so only numbers that a
// conversion to 32 bits turns into the smallest one need care.
inline Ints scaled(Ints sums, Reals scale) {
  return round_reals(min_reals(mul_reals(to_reals(sums), scale), set_reals(32767)));
}

// Adds the zero point, clamps and stores kIntLanes bytes of each vector at its own place.
struct VecCodes {
  explicit VecCodes(const CodeStore& store) : s(store) { init(); }

#if defined(EDGESMITH_PORTABLE_LANES)
  void init() {}
  struct Packed {
    uint8_t bytes[4][kIntLanes];
  };
  Packed pack(Ints a, Ints b, Ints c, Ints d) const {
    const Ints v[4] = {a, b, c, d};
    Packed out;
    for (int i = 0; i < 4; ++i) {
      for (int lane = 0; lane < kIntLanes; ++lane) {
        const int32_t code = v[i][lane] + s.zero_point;
        out.bytes[i][lane] = static_cast<uint8_t>((code < s.lo ? s.lo : code > s.hi ? s.hi : code) ^ s.flip);
      }
    }
    return out;
  }
  template <int I>
  static void store_piece(uint8_t* p, const Packed& v) {
    __builtin_memcpy(p, v.bytes[I], kIntLanes);
  }
#elif defined(__ARM_NEON)
  void init() {
    zero_point = vdupq_n_s16(s.zero_point);
    lo = vdupq_n_u8(s.lo);
    hi = vdupq_n_u8(s.hi);
    flip = vdupq_n_u8(s.flip);
  }
  using Packed = uint8x16_t;
  Packed pack(Ints a, Ints b, Ints c, Ints d) const {
    const int16x8_t ab = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(a), b), zero_point);
    const int16x8_t cd = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(c), d), zero_point);
    const uint8x16_t clamped = vminq_u8(vmaxq_u8(vqmovun_high_s16(vqmovun_s16(ab), cd), lo), hi);
    return veorq_u8(clamped, flip);
  }
  template <int I>
  static void store_piece(uint8_t* p, Packed v) {
    const uint32_t piece = vgetq_lane_u32(vreinterpretq_u32_u8(v), I);
    __builtin_memcpy(p, &piece, 4);
  }
  int16x8_t zero_point;
  uint8x16_t lo, hi, flip;
#elif defined(__AVX512F__)
  void init() {
    zero_point = _mm512_set1_epi16(s.zero_point);
    lo = _mm512_set1_epi8(static_cast<char>(s.lo));
    hi = _mm512_set1_epi8(static_cast<char>(s.hi));
    flip = _mm512_set1_epi8(static_cast<char>(s.flip));
  }
  using Packed = __m512i;
  // The codes of each 128 bits of a, b, c and d side by side.
  Packed pack_lanes(Ints a, Ints b, Ints c, Ints d) const {
    const __m512i ab = _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero_point);
    const __m512i cd = _mm512_adds_epi16(_mm512_packs_epi32(c, d), zero_point);
    const __m512i clamped = _mm512_min_epu8(_mm512_max_epu8(_mm512_packus_epi16(ab, cd), lo), hi);
    return _mm512_xor_si512(clamped, flip);
  }
  Packed pack(Ints a, Ints b, Ints c, Ints d) const {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, pack_lanes(a, b, c, d));
  }
  template <int I>
  static void store_piece(uint8_t* p, Packed v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_extracti32x4_epi32(v, I));
  }
  __m512i zero_point, lo, hi, flip;
#else
  void init() {
    zero_point = _mm256_set1_epi16(s.zero_point);
    lo = _mm256_set1_epi8(static_cast<char>(s.lo));
    hi = _mm256_set1_epi8(static_cast<char>(s.hi));
    flip = _mm256_set1_epi8(static_cast<char>(s.flip));
  }
  using Packed = __m256i;
  // The codes of each 128 bits of a, b, c and d side by side.
  Packed pack_lanes(Ints a, Ints b, Ints c, Ints d) const {
    const __m256i ab = _mm256_adds_epi16(_mm256_packs_epi32(a, b), zero_point);
    const __m256i cd = _mm256_adds_epi16(_mm256_packs_epi32(c, d), zero_point);
    const __m256i clamped = _mm256_min_epu8(_mm256_max_epu8(_mm256_packus_epi16(ab, cd), lo), hi);
    return _mm256_xor_si256(clamped, flip);
  }
  Packed pack(Ints a, Ints b, Ints c, Ints d) const {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    return _mm256_permutevar8x32_epi32(pack_lanes(a, b, c, d), order);
  }
  template <int I>
  static void store_piece(uint8_t* p, Packed v) {
    const __m128i half = I < 2 ? _mm256_castsi256_si128(v) : _mm256_extracti128_si256(v, 1);
    const auto at = reinterpret_cast<__m128i*>(p);
    if (I % 2 == 0) {
      _mm_storel_epi64(at, half);
    } else {
      _mm_storel_epi64(at, _mm_unpackhi_epi64(half, half));
    }
  }
  __m256i zero_point, lo, hi, flip;
#endif

  CodeStore s;
};

// 4 * kIntLanes codes in order.
inline void store_codes(const VecCodes& codes, Ints a, Ints b, Ints c, Ints d, uint8_t* out) {
  const auto packed = codes.pack(a, b, c, d);
  __builtin_memcpy(out, &packed, 4 * kIntLanes);
}

// A number known while compiling.
template <int Value>
struct Piece {
  static constexpr int kValue = Value;
};

// Copies n (less than 16) bytes.
inline void copy_bytes(uint8_t* to, const uint8_t* from, int n) {
  if (n & 8) {
    __builtin_memcpy(to, from, 8);
    to += 8;
    from += 8;
  }
  if (n & 4) {
    __builtin_memcpy(to, from, 4);
    to += 4;
    from += 4;
  }
  if (n & 2) {
    __builtin_memcpy(to, from, 2);
    to += 2;
    from += 2;
  }
  if (n & 1) *to = *from;
}

// Copies n bytes.
inline void copy_run(uint8_t* to, const uint8_t* from, int64_t n) {
  for (; n >= 16; n -= 16, to += 16, from += 16) __builtin_memcpy(to, from, 16);
  copy_bytes(to, from, static_cast<int>(n));
}

// Calls body(i, out + i) for every i that is a multiple of 4 * kIntLanes below `count`; body stores as many bytes.
template <typename Body>
inline void for_code_vectors(int64_t count, uint8_t* out, Body body) {
  constexpr int64_t kBytes = 4 * kIntLanes;
  int64_t i = 0;
  for (; i + kBytes <= count; i += kBytes) body(i, out + i);
  if (i == count) return;
  uint8_t rest[kBytes];
  body(i, rest);
  copy_run(out + i, rest, count - i);
}

}  // namespace
