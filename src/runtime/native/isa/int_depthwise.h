// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution of codes: channels (and neighbouring pixels) lie across lanes, taps are interleaved into groups
// as they are loaded. Four vectors of sums hold 4 * kIntLanes outputs, in the order in which interleaving leaves them
// (depthwise_output() in native/int_table.h).
#pragma once

#include "runtime/native/isa/int_codes.h"

namespace {

using edgesmith::runtime::native::depthwise_output;
using edgesmith::runtime::native::IntDepthwise;

// out[v] lane l: the four bytes p[0..3][depthwise_output(v, l)].
inline void interleave_bytes(const uint8_t* const (&p)[4], Ints (&out)[4]) {
#if defined(EDGESMITH_PORTABLE_LANES)
  for (int v = 0; v < 4; ++v) {
    for (int lane = 0; lane < kIntLanes; ++lane) {
      const int at = depthwise_output(kIntLanes, false, v, lane);
      const uint32_t group = p[0][at] | static_cast<uint32_t>(p[1][at]) << 8 | static_cast<uint32_t>(p[2][at]) << 16 |
                             static_cast<uint32_t>(p[3][at]) << 24;
      out[v][lane] = static_cast<int32_t>(group);
    }
  }
#elif defined(__ARM_NEON)
  const uint8x16_t a = vld1q_u8(p[0]), b = vld1q_u8(p[1]), c = vld1q_u8(p[2]), d = vld1q_u8(p[3]);
  const uint16x8_t ab = vreinterpretq_u16_u8(vzip1q_u8(a, b)), cd = vreinterpretq_u16_u8(vzip1q_u8(c, d));
  const uint16x8_t ab2 = vreinterpretq_u16_u8(vzip2q_u8(a, b)), cd2 = vreinterpretq_u16_u8(vzip2q_u8(c, d));
  out[0] = vreinterpretq_s32_u16(vzip1q_u16(ab, cd));
  out[1] = vreinterpretq_s32_u16(vzip2q_u16(ab, cd));
  out[2] = vreinterpretq_s32_u16(vzip1q_u16(ab2, cd2));
  out[3] = vreinterpretq_s32_u16(vzip2q_u16(ab2, cd2));
#elif defined(__AVX512F__)
  const Ints a = load_ints(p[0]), b = load_ints(p[1]), c = load_ints(p[2]), d = load_ints(p[3]);
  const Ints ab = _mm512_unpacklo_epi8(a, b), cd = _mm512_unpacklo_epi8(c, d);
  const Ints ab2 = _mm512_unpackhi_epi8(a, b), cd2 = _mm512_unpackhi_epi8(c, d);
  out[0] = _mm512_unpacklo_epi16(ab, cd);
  out[1] = _mm512_unpackhi_epi16(ab, cd);
  out[2] = _mm512_unpacklo_epi16(ab2, cd2);
  out[3] = _mm512_unpackhi_epi16(ab2, cd2);
#else
  const Ints a = load_ints(p[0]), b = load_ints(p[1]), c = load_ints(p[2]), d = load_ints(p[3]);
  const Ints ab = _mm256_unpacklo_epi8(a, b), cd = _mm256_unpacklo_epi8(c, d);
  const Ints ab2 = _mm256_unpackhi_epi8(a, b), cd2 = _mm256_unpackhi_epi8(c, d);
  out[0] = _mm256_unpacklo_epi16(ab, cd);
  out[1] = _mm256_unpackhi_epi16(ab, cd);
  out[2] = _mm256_unpacklo_epi16(ab2, cd2);
  out[3] = _mm256_unpackhi_epi16(ab2, cd2);
#endif
}

// out[v] lane l: the two words p[0..1][depthwise_output(v, l)].
inline void interleave_words(const uint8_t* const (&p)[2], Ints (&out)[4]) {
#if defined(EDGESMITH_PORTABLE_LANES)
  for (int v = 0; v < 4; ++v) {
    for (int lane = 0; lane < kIntLanes; ++lane) {
      uint16_t word[2];
      for (int i = 0; i < 2; ++i) __builtin_memcpy(word + i, p[i] + 2 * depthwise_output(kIntLanes, true, v, lane), 2);
      out[v][lane] = static_cast<int32_t>(word[0] | static_cast<uint32_t>(word[1]) << 16);
    }
  }
#elif defined(__ARM_NEON)
  for (int half = 0; half < 2; ++half) {
    const int16x8_t a = vreinterpretq_s16_s32(load_ints(p[0] + half * 16));
    const int16x8_t b = vreinterpretq_s16_s32(load_ints(p[1] + half * 16));
    out[2 * half] = vreinterpretq_s32_s16(vzip1q_s16(a, b));
    out[2 * half + 1] = vreinterpretq_s32_s16(vzip2q_s16(a, b));
  }
#else
  for (int half = 0; half < 2; ++half) {
    const Ints a = load_ints(p[0] + half * 4 * kIntLanes), b = load_ints(p[1] + half * 4 * kIntLanes);
#if defined(__AVX512F__)
    out[2 * half] = _mm512_unpacklo_epi16(a, b);
    out[2 * half + 1] = _mm512_unpackhi_epi16(a, b);
#else
    out[2 * half] = _mm256_unpacklo_epi16(a, b);
    out[2 * half + 1] = _mm256_unpackhi_epi16(a, b);
#endif
  }
#endif
}

// 4 * kIntLanes codes in order.
template <bool Words>
inline void store_depthwise(const VecCodes& codes, Ints a, Ints b, Ints c, Ints d, uint8_t* out) {
#if defined(EDGESMITH_PORTABLE_LANES)
  const auto packed = codes.pack(a, b, c, d);
  for (int v = 0; v < 4; ++v) {
    for (int lane = 0; lane < kIntLanes; ++lane) {
      out[depthwise_output(kIntLanes, Words, v, lane)] = packed.bytes[v][lane];
    }
  }
#elif defined(__ARM_NEON)
  vst1q_u8(out, codes.pack(a, b, c, d));
#elif defined(__AVX512F__)
  const __m512i packed = codes.pack_lanes(a, b, c, d);
  store_ints(out, Words ? _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), packed) : packed);
#else
  const __m256i packed = codes.pack_lanes(a, b, c, d);
  store_ints(out, Words ? _mm256_permute4x64_epi64(packed, _MM_SHUFFLE(3, 1, 2, 0)) : packed);
#endif
}

// The 4 * kIntLanes outputs from `at` on. Groups: how many there are, or 0 when that is known only while running.
template <bool Words, int Groups>
inline void depthwise_block(const IntDepthwise& d, const VecCodes& codes, int64_t at, int64_t phase, uint8_t* out) {
  constexpr int kTaps = Words ? 2 : 4, kSize = Words ? 2 : 1;
  const int64_t groups = Groups != 0 ? Groups : d.groups;
  const int32_t* start = d.start + phase * 4 * kIntLanes;
  const uint8_t* weights = d.weights + phase * groups * 16 * kIntLanes;
  const uint8_t* input = d.input + at * kSize;
  Ints sums[4];
#pragma GCC unroll 4
  for (int v = 0; v < 4; ++v) sums[v] = load_ints(start + v * kIntLanes);
#pragma GCC unroll 16
  for (int64_t g = 0; g < groups; ++g) {
    const uint8_t* taps[kTaps];
#pragma GCC unroll 4
    for (int i = 0; i < kTaps; ++i) taps[i] = input + d.taps[g * kTaps + i];
    Ints data[4];
    if constexpr (Words) {
      interleave_words(taps, data);
    } else {
      interleave_bytes(taps, data);
    }
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      const Ints w = load_ints(weights + (g * 4 + v) * 4 * kIntLanes);
      sums[v] = Words ? dot_words(sums[v], data[v], w) : dot_bytes(sums[v], data[v], w);
    }
  }
  if (d.sums != nullptr) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      const Ints sum = sums[v];  // as in int_tile.h
      __builtin_memcpy(d.sums + at + v * kIntLanes, &sum, sizeof(Ints));
    }
    return;
  }
  const float* scale = d.scale + phase * 4 * kIntLanes;
#pragma GCC unroll 4
  for (int v = 0; v < 4; ++v) sums[v] = scaled(sums[v], load_reals(scale + v * kIntLanes));
  store_depthwise<Words>(codes, sums[0], sums[1], sums[2], sums[3], out);
}

template <bool Words, int Groups>
void depthwise_run(const IntDepthwise& d) {
  const VecCodes codes(d.store);
  constexpr int64_t kBlock = 4 * kIntLanes;
  int64_t at = 0, phase = 0;
  for (; at + kBlock <= d.count; at += kBlock) {
    depthwise_block<Words, Groups>(d, codes, at, phase, d.out + at);
    if (++phase == d.phases) phase = 0;
  }
  if (at == d.count) return;
  uint8_t rest[kBlock];
  depthwise_block<Words, Groups>(d, codes, at, phase, rest);
  if (d.sums == nullptr) copy_run(d.out + at, rest, d.count - at);
}

void int_depthwise(const IntDepthwise& d) {
  // 3 x 3 taps are 3 groups of bytes or 5 of words.
  if (d.words) {
    d.groups == 5 ? depthwise_run<true, 5>(d) : depthwise_run<true, 0>(d);
  } else {
    d.groups == 3 ? depthwise_run<false, 3>(d) : depthwise_run<false, 0>(d);
  }
}

}  // namespace
