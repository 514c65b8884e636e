// SPDX-License-Identifier: Apache-2.0
// Pools with small square windows that lie inside the input: read where the planes lie.
#pragma once

#include "runtime/native/isa/epilogue.h"

namespace {

using edgesmith::runtime::native::PoolWindow;

// The taps of one row of a window for the outputs from `row` on; `end`: columns of the row that may be read.
template <int K, int S>
inline void load_pool_taps(const float* row, int64_t end, Vec* taps) {
#pragma GCC unroll 3
  for (int kx = 0; kx < K; kx += S) {
    const Vec low = load_masked(row + kx, mask_between(0, end - kx));
    if (S == 1) {
      taps[kx] = low;
      continue;
    }
    const Vec high = load_masked(row + kx + kLanes, mask_between(0, end - kx - kLanes));
    taps[kx] = even_numbers(low, high);
    if (kx + 1 < K) taps[kx + 1] = odd_numbers(low, high);
  }
}

// As max_into() and add_into() of one tap after the other; a mean is divided at the end.
template <int K, int S, bool Max>
void pool_planes(const PoolWindow& p) {
  const VecEpilogue finish(*p.epilogue);
  const Vec begin = set1(Max ? -__builtin_inff() : 0.0F), count = set1(K * K);
  float* out = p.out;
  for (int64_t plane = 0; plane < p.planes; ++plane) {
    const float* in = p.in + plane * p.height * p.width;
    for (int64_t y = 0; y < p.out_height; ++y, out += p.out_width) {
      for_vectors(p.out_width, [&](int64_t x, int n) {
        Vec result = begin;
#pragma GCC unroll 3
        for (int ky = 0; ky < K; ++ky) {
          Vec taps[K + 1];
          load_pool_taps<K, S>(in + (y * S + ky) * p.width + x * S, p.width - x * S, taps);
#pragma GCC unroll 3
          for (int kx = 0; kx < K; ++kx) result = Max ? max(taps[kx], result) : add(result, taps[kx]);
        }
        store_upto(out + x, finish(Max ? result : div(result, count)), n);
      });
    }
  }
}

template <bool Max>
void pool_window(const PoolWindow& p) {
  if (p.kernel == 2) {
    p.stride == 1 ? pool_planes<2, 1, Max>(p) : pool_planes<2, 2, Max>(p);
  } else {
    p.stride == 1 ? pool_planes<3, 1, Max>(p) : pool_planes<3, 2, Max>(p);
  }
}

}  // namespace
