// SPDX-License-Identifier: Apache-2.0
// Work on codes element by element. Whole vectors are read, also past the end.
#pragma once

#include "runtime/native/isa/int_codes.h"

namespace {

using edgesmith::runtime::native::IntAdd;
using edgesmith::runtime::native::IntMax;
using edgesmith::runtime::native::IntMean;
using edgesmith::runtime::native::IntQuantize;

// A third of the work on unsigned codes would be flips of nothing.
template <bool Flips>
void add_codes(const IntAdd& job) {
  const VecCodes codes(job.store);
  const Ints flip_a = set_ints(job.flip_a), flip_b = set_ints(job.flip_b);
  const Reals ratio_a = set_reals(job.ratio_a), ratio_b = set_reals(job.ratio_b), fixed = set_reals(job.fixed);
  const Reals top = set_reals(32767);
  const auto sum = [&](int64_t i) {
    const Ints stored_a = load_bytes(job.a + i), stored_b = load_bytes(job.b + i);
    const Ints a = Flips ? sub_ints(xor_ints(stored_a, flip_a), flip_a) : stored_a;
    const Ints b = Flips ? sub_ints(xor_ints(stored_b, flip_b), flip_b) : stored_b;
    const Reals real = fma_reals(to_reals(a), ratio_a, fma_reals(to_reals(b), ratio_b, fixed));
    return round_reals(min_reals(real, top));
  };
  for_code_vectors(job.count, job.out, [&](int64_t i, uint8_t* out) {
    store_codes(codes, sum(i), sum(i + kIntLanes), sum(i + 2 * kIntLanes), sum(i + 3 * kIntLanes), out);
  });
}

void int_add(const IntAdd& job) { job.flip_a == 0 && job.flip_b == 0 ? add_codes<false>(job) : add_codes<true>(job); }

void int_max(const IntMax& job) {
  const Ints flip = set_ints(static_cast<int32_t>(job.flip * 0x01010101U));
  for_code_vectors(job.count, job.out, [&](int64_t i, uint8_t* out) {
    Ints best = load_ints(job.input + job.taps[0] + i);
    for (int64_t t = 1; t < job.num_taps; ++t) best = max_bytes(best, load_ints(job.input + job.taps[t] + i));
    store_ints(out, xor_ints(best, flip));
  });
}

void int_mean(const IntMean& job) {
  const VecCodes codes(job.store);
  const Ints flip = set_ints(job.flip);
  const Reals scale = set_reals(job.scale);
  for_code_vectors(job.count, job.out, [&](int64_t i, uint8_t* out) {
    Ints sums[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) sums[v] = set_ints(job.start);
    for (int64_t r = 0; r < job.rows; ++r) {
      const uint8_t* from = job.input + r * job.row_step + i;
      for (int64_t c = 0; c < job.columns; ++c, from += job.column_step) {
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) {
          sums[v] = add_ints(sums[v], xor_ints(load_bytes(from + v * kIntLanes), flip));
        }
      }
    }
    store_codes(codes, scaled(sums[0], scale), scaled(sums[1], scale), scaled(sums[2], scale), scaled(sums[3], scale),
                out);
  });
}

void int_quantize(const IntQuantize& job) {
  const VecCodes codes(job.store);
  const Reals scale = set_reals(job.scale), lo = set_reals(job.lo), hi = set_reals(job.hi);
  // Not-a-number becomes `lo`.
  const auto round = [&](const float* p) {
    return round_reals(min_reals(max_reals(div_reals(load_reals(p), scale), lo), hi));
  };
  constexpr int64_t kStep = 4 * kIntLanes;
  int64_t i = 0;
  for (; i + kStep <= job.count; i += kStep) {
    const float* in = job.in + i;
    store_codes(codes, round(in), round(in + kIntLanes), round(in + 2 * kIntLanes), round(in + 3 * kIntLanes),
                job.out + i);
  }
  if (i == job.count) return;
  float rest[kStep] = {};  // reals are not read past the end
  uint8_t bytes[kStep];
  for (int64_t at = i; at < job.count; ++at) rest[at - i] = job.in[at];
  store_codes(codes, round(rest), round(rest + kIntLanes), round(rest + 2 * kIntLanes), round(rest + 3 * kIntLanes),
              bytes);
  for (int64_t at = i; at < job.count; ++at) job.out[at] = bytes[at - i];
}

// Simple enough for the compiler to vectorise.
void int_dequantize(const uint8_t* in, uint8_t flip, int32_t zero_point, float scale, float* __restrict out,
                    int64_t count) {
  const int32_t offset = flip + zero_point;
  for (int64_t i = 0; i < count; ++i) {
    out[i] = static_cast<float>(static_cast<int32_t>(static_cast<uint8_t>(in[i] ^ flip)) - offset) * scale;
  }
}

#if defined(EDGESMITH_PORTABLE_LANES)

void int_lookup(const uint8_t* table, const uint8_t* in, uint8_t* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = table[in[i]];
}

#elif defined(__ARM_NEON)

// The entries of 64 codes at a time: an index past the end gives zero (tbl), or what was there before (tbx).
void int_lookup(const uint8_t* table, const uint8_t* in, uint8_t* out, int64_t count) {
  const uint8x16x4_t first = vld1q_u8_x4(table), second = vld1q_u8_x4(table + 64), third = vld1q_u8_x4(table + 128),
                     fourth = vld1q_u8_x4(table + 192);
  const uint8x16_t step = vdupq_n_u8(64);
  for_code_vectors(count, out, [&](int64_t i, uint8_t* to) {
    const uint8x16_t low = vld1q_u8(in + i), middle = vsubq_u8(low, step), high = vsubq_u8(middle, step);
    uint8x16_t found = vqtbx4q_u8(vqtbl4q_u8(first, low), second, middle);
    found = vqtbx4q_u8(vqtbx4q_u8(found, third, high), fourth, vsubq_u8(high, step));
    vst1q_u8(to, found);
  });
}

#else

// The entries of 16 codes at a time, chosen by the low 4 bits where the code is one of them: a saturating addition sets
// the top bit of all others, for which a shuffle gives zero.
void int_lookup(const uint8_t* table, const uint8_t* in, uint8_t* out, int64_t count) {
#if defined(__AVX512F__)
  const auto row = [&](int r) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * r)));
  };
  const auto pick = [](Ints entries, Ints codes) {
    return _mm512_shuffle_epi8(entries, _mm512_adds_epu8(codes, _mm512_set1_epi8(0x70)));
  };
  const auto next = [](Ints codes) { return _mm512_sub_epi8(codes, _mm512_set1_epi8(16)); };
#else
  const auto row = [&](int r) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * r)));
  };
  const auto pick = [](Ints entries, Ints codes) {
    return _mm256_shuffle_epi8(entries, _mm256_adds_epu8(codes, _mm256_set1_epi8(0x70)));
  };
  const auto next = [](Ints codes) { return _mm256_sub_epi8(codes, _mm256_set1_epi8(16)); };
#endif
  for_code_vectors(count, out, [&](int64_t i, uint8_t* to) {
    Ints codes = load_ints(in + i), found = pick(row(0), codes);
#pragma GCC unroll 16
    for (int r = 1; r < 16; ++r) {
      codes = next(codes);
      found = xor_ints(found, pick(row(r), codes));
    }
    store_ints(to, found);
  });
}

#endif

}  // namespace
