// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/native/isa/vec.h"
#include "runtime/native/table.h"

namespace {

using edgesmith::runtime::Epilogue;

// The constants of an Epilogue as vectors. Not-a-number passes the clamp, so that broken models show.
struct VecEpilogue {
  explicit VecEpilogue(const Epilogue& e)
      : clamp(e.clamp),
        quantize(e.quantize),
        lo(set1(e.lo)),
        hi(set1(e.hi)),
        scale(set1(e.scale)),
        code_lo(set1(e.code_lo)),
        code_hi(set1(e.code_hi)) {}

  bool empty() const { return !clamp && !quantize; }

  Vec operator()(Vec x) const {
    if (clamp) x = min(hi, max(lo, x));
    if (quantize) x = mul(min(max(round_even(div(x, scale)), code_lo), code_hi), scale);
    return x;
  }

  bool clamp, quantize;
  Vec lo, hi, scale, code_lo, code_hi;
};

// Calls body(i, n) for vectors that start at i and hold n numbers, all but the last one full.
template <typename Body>
inline void for_vectors(int64_t count, Body body) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) body(i, kLanes);
  if (i < count) body(i, static_cast<int>(count - i));
}

inline Vec load_upto(const float* p, int n) { return n == kLanes ? load(p) : load_n(p, n); }
inline void store_upto(float* p, Vec v, int n) { n == kLanes ? store(p, v) : store_n(p, v, n); }

void apply_epilogue(const Epilogue& epilogue, const float* in, float* out, int64_t count) {
  const VecEpilogue finish(epilogue);
  for_vectors(count, [&](int64_t i, int n) { store_upto(out + i, finish(load_upto(in + i, n)), n); });
}

}  // namespace
