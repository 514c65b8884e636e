// SPDX-License-Identifier: Apache-2.0
// vec.h for NEON: four floats, 32 registers.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace {

using Vec = float32x4_t;
constexpr int kLanes = 4;
constexpr int kTileVectors = 4, kTileSums = 20;  // with 4 of B and 5 of A, which GCC 12 loads early: 29 of 32 registers
constexpr bool kMasksTaps = false;               // no masked loads
inline Vec load(const float* p) { return vld1q_f32(p); }
inline void store(float* p, Vec v) { vst1q_f32(p, v); }
inline void prefetch(const float* p) { __builtin_prefetch(p, 0, 2); }
// The first n (less than 4) numbers, then zeros.
inline Vec load_n(const float* p, int n) {
  const float32x2_t none = vdup_n_f32(0);
  const float32x2_t low = n >= 2 ? vld1_f32(p) : n == 1 ? vld1_lane_f32(p, none, 0) : none;
  return vcombine_f32(low, n >= 3 ? vld1_lane_f32(p + 2, none, 0) : none);
}
inline void store_n(float* p, Vec v, int n) {
  if (n >= 2) {
    vst1_f32(p, vget_low_f32(v));
  } else if (n == 1) {
    vst1q_lane_f32(p, v, 0);
  }
  if (n >= 3) vst1q_lane_f32(p + 2, v, 2);
}
// The numbers at even places of a, then of b.
inline Vec even_numbers(Vec a, Vec b) { return vuzp1q_f32(a, b); }
inline Vec odd_numbers(Vec a, Vec b) { return vuzp2q_f32(a, b); }
inline void interleave(Vec a, Vec b, Vec& low, Vec& high) {
  low = vzip1q_f32(a, b);
  high = vzip2q_f32(a, b);
}
// Lanes [begin, end); what lies outside is not read, and zero.
struct Mask {
  int begin, end;
};
inline Mask mask_between(int64_t begin, int64_t end) {
  const auto limit = [](int64_t n) { return n < 0 ? 0 : n > 4 ? 4 : static_cast<int>(n); };
  return {limit(begin), limit(end)};
}
inline Vec load_masked(const float* p, Mask mask) {
  if (mask.begin == 0) return mask.end == 4 ? load(p) : load_n(p, mask.end);
  float lanes[4] = {};
  for (int i = mask.begin; i < mask.end; ++i) lanes[i] = p[i];
  return load(lanes);
}
// Swaps rows and columns of kLanes vectors.
inline void transpose(Vec* v) {
  const Vec a = vtrn1q_f32(v[0], v[1]), b = vtrn2q_f32(v[0], v[1]);
  const Vec c = vtrn1q_f32(v[2], v[3]), d = vtrn2q_f32(v[2], v[3]);
  v[0] = vcombine_f32(vget_low_f32(a), vget_low_f32(c));
  v[1] = vcombine_f32(vget_low_f32(b), vget_low_f32(d));
  v[2] = vcombine_f32(vget_high_f32(a), vget_high_f32(c));
  v[3] = vcombine_f32(vget_high_f32(b), vget_high_f32(d));
}
constexpr int kHalf = 2;
// Copies n (at most kHalf) floats; kHalf are written.
inline void copy_half(float* to, const float* from, int n) { vst1_f32(to, vget_low_f32(load_n(from, n))); }
inline Vec set1(float x) { return vdupq_n_f32(x); }
inline Vec fmadd(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
inline Vec add(Vec a, Vec b) { return vaddq_f32(a, b); }
inline Vec sub(Vec a, Vec b) { return vsubq_f32(a, b); }
inline Vec mul(Vec a, Vec b) { return vmulq_f32(a, b); }
inline Vec div(Vec a, Vec b) { return vdivq_f32(a, b); }
// As on x86: the second operand when the two are equal or one is not a number.
inline Vec max(Vec a, Vec b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
inline Vec min(Vec a, Vec b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
inline Vec round_even(Vec a) { return vrndnq_f32(a); }
inline Vec square_root(Vec a) { return vsqrtq_f32(a); }
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) { return vbslq_f32(vcltq_f32(a, b), x, y); }
inline Vec power_of_two(Vec n) {
  return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23));
}
inline Vec exponent_of(Vec x) {
  return vcvtq_f32_s32(vsubq_s32(vshrq_n_s32(vreinterpretq_s32_f32(x), 23), vdupq_n_s32(127)));
}
inline Vec mantissa_of(Vec x) {
  const uint32x4_t bits = vandq_u32(vreinterpretq_u32_f32(x), vdupq_n_u32(0x7FFFFFU));
  return vreinterpretq_f32_u32(vorrq_u32(bits, vdupq_n_u32(0x3F800000U)));
}

}  // namespace
