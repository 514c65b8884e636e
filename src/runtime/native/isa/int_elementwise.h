// SPDX-License-Identifier: Apache-2.0
// Work on codes element by element. Whole vectors are read, also past the end.
#pragma once

#include "runtime/native/isa/int_codes.h"

namespace {

using edgesmith::runtime::native::IntAdd;
using edgesmith::runtime::native::IntMax;
using edgesmith::runtime::native::IntMean;
using edgesmith::runtime::native::IntQuantize;

void int_add(const IntAdd& job) {
  const VecCodes codes(job.store);
  const Ints flip_a = set_ints(job.flip_a), flip_b = set_ints(job.flip_b);
  const Reals ratio_a = set_reals(job.ratio_a), ratio_b = set_reals(job.ratio_b), fixed = set_reals(job.fixed);
  const Reals top = set_reals(32767);
  const auto sum = [&](int64_t i) {
    const Ints a = sub_ints(xor_ints(load_bytes(job.a + i), flip_a), flip_a);
    const Ints b = sub_ints(xor_ints(load_bytes(job.b + i), flip_b), flip_b);
    const Reals real = fma_reals(to_reals(a), ratio_a, fma_reals(to_reals(b), ratio_b, fixed));
    return round_reals(min_reals(real, top));
  };
  for_code_vectors(job.count, job.out, [&](int64_t i, uint8_t* out) {
    store_codes(codes, sum(i), sum(i + kIntLanes), sum(i + 2 * kIntLanes), sum(i + 3 * kIntLanes), out);
  });
}

void int_max(const IntMax& job) {
  const Ints flip = set_ints(job.flip * 0x01010101);
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

}  // namespace
