// SPDX-License-Identifier: Apache-2.0
// int_vec.h for NEON: four lanes, 32 registers. Products of bytes are signed by signed: the top bit of every input is
// flipped, which takes 128 off it (kByteOffset), and what sums begin with makes up for that.
//
// With dot products (__ARM_FEATURE_DOTPROD) groups of bytes add exactly. Without, pairs of products are added in 16
// bits, which 128 * 127 + 128 * 128 still fits: only weights with two neighbours of -128 go by words.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace {

constexpr int kIntLanes = 4;
using Ints = int32x4_t;
using Reals = float32x4_t;
constexpr int kByteOffset = 128;
constexpr int kGroupsAtOnce = 4;
constexpr int tile_rows(int vectors) { return vectors == 3 ? 6 : 8; }  // by 2: 16 sums, 8 of inputs, 2 of weights
constexpr int kBestVectors = 2;
inline Ints load_ints(const void* p) { return vreinterpretq_s32_u8(vld1q_u8(static_cast<const uint8_t*>(p))); }
inline void store_ints(void* p, Ints v) { vst1q_u8(static_cast<uint8_t*>(p), vreinterpretq_u8_s32(v)); }
inline Ints set_ints(int32_t x) { return vdupq_n_s32(x); }
inline Ints add_ints(Ints a, Ints b) { return vaddq_s32(a, b); }
inline Ints sub_ints(Ints a, Ints b) { return vsubq_s32(a, b); }
inline Ints xor_ints(Ints a, Ints b) { return veorq_s32(a, b); }
inline Ints load_bytes(const uint8_t* p) {
  uint32_t bytes;
  __builtin_memcpy(&bytes, p, sizeof bytes);
  const uint16x8_t words = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(bytes)));
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(words)));
}
inline Ints max_bytes(Ints a, Ints b) {
  return vreinterpretq_s32_u8(vmaxq_u8(vreinterpretq_u8_s32(a), vreinterpretq_u8_s32(b)));
}
inline Ints less_offset(Ints bytes) { return veorq_s32(bytes, vdupq_n_s32(static_cast<int32_t>(0x80808080U))); }
#if defined(__ARM_FEATURE_DOTPROD)
constexpr bool kExactBytes = true;
inline Ints dot_signed(Ints sum, Ints a, Ints w) {
  return vdotq_s32(sum, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(w));
}
#else
constexpr bool kExactBytes = false;
inline Ints dot_signed(Ints sum, Ints a, Ints w) {
  const int8x16_t x = vreinterpretq_s8_s32(a), y = vreinterpretq_s8_s32(w);
  const int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(y)), high = vmull_high_s8(x, y);
  return vpadalq_s16(sum, vpaddq_s16(low, high));
}
#endif
inline Ints dot_bytes(Ints sum, Ints a, Ints w) { return dot_signed(sum, less_offset(a), w); }
inline int16x4_t even_words(Ints v) { return vmovn_s32(v); }
inline int16x4_t odd_words(Ints v) { return vshrn_n_s32(v, 16); }
inline Ints dot_words(Ints sum, Ints a, Ints w) {
  return vmlal_s16(vmlal_s16(sum, even_words(a), even_words(w)), odd_words(a), odd_words(w));
}
template <bool Words>
inline Ints load_groups(const void* p) {
  return Words ? load_ints(p) : less_offset(load_ints(p));
}
template <bool Words, int Group>
inline Ints dot_group(Ints sum, Ints groups, Ints w) {
  if constexpr (Words) {
    const int16x8_t words = vreinterpretq_s16_s32(groups);
    sum = vmlal_laneq_s16(sum, even_words(w), words, 2 * Group);
    return vmlal_laneq_s16(sum, odd_words(w), words, 2 * Group + 1);
  } else {
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_laneq_s32(sum, vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(groups), Group);
#else
    return dot_signed(sum, vdupq_laneq_s32(groups, Group), w);
#endif
  }
}
inline Reals load_reals(const float* p) { return vld1q_f32(p); }
inline Reals set_reals(float x) { return vdupq_n_f32(x); }
inline Reals mul_reals(Reals a, Reals b) { return vmulq_f32(a, b); }
inline Reals div_reals(Reals a, Reals b) { return vdivq_f32(a, b); }
inline Reals fma_reals(Reals a, Reals b, Reals c) { return vfmaq_f32(c, a, b); }
// The other operand when one is not a number: all that is asked for, since the second one always is.
inline Reals min_reals(Reals a, Reals b) { return vminnmq_f32(a, b); }
inline Reals max_reals(Reals a, Reals b) { return vmaxnmq_f32(a, b); }
inline Reals to_reals(Ints v) { return vcvtq_f32_s32(v); }
inline Ints round_reals(Reals x) { return vcvtnq_s32_f32(x); }

}  // namespace
