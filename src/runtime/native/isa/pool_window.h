// SPDX-License-Identifier: Apache-2.0
// Pools with small square windows that lie inside the input: read where the planes lie.
#pragma once

#include "runtime/native/isa/epilogue.h"

namespace {

using edgesmith::runtime::native::PoolGradient;
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

void max_pool_gradient(const PoolGradient& p) {
  const Vec zero = set1(0), least = set1(-__builtin_inff());
  for (int64_t plane = 0; plane < p.planes; ++plane) {
    const float* in = p.in + plane * p.height * p.width;
    const float* dy = p.dy + plane * p.out_height * p.out_width;
    float* dx = p.dx + plane * p.height * p.width;
    for (int64_t y = 0; y < p.out_height; ++y, dy += p.out_width) {
      const float* upper = in + 2 * y * p.width;
      const float* lower = upper + p.width;
      float* to_upper = dx + 2 * y * p.width;
      float* to_lower = to_upper + p.width;
      for_vectors(p.out_width, [&](int64_t x, int n) {
        const int low = 2 * n < kLanes ? 2 * n : kLanes, high = 2 * n - low;
        const auto load_row = [&](const float* row, Vec& left, Vec& right) {  // max: not-a-number becomes the least
          const Vec first = load_upto(row, low), second = high > 0 ? load_upto(row + kLanes, high) : zero;
          left = max(even_numbers(first, second), least);
          right = max(odd_numbers(first, second), least);
        };
        const auto store_row = [&](Vec left, Vec right, float* row) {
          Vec first, second;
          interleave(left, right, first, second);
          store_upto(row, first, low);
          if (high > 0) store_upto(row + kLanes, second, high);
        };
        Vec a, b, c, d;
        load_row(upper + 2 * x, a, b);
        load_row(lower + 2 * x, c, d);
        const Vec g = load_upto(dy + x, n);
        const Vec above = select_less(a, b, b, a), below = select_less(c, d, d, c);
        const Vec up = select_less(above, below, zero, g), down = select_less(above, below, g, zero);
        store_row(select_less(a, b, zero, up), select_less(a, b, up, zero), to_upper + 2 * x);
        store_row(select_less(c, d, zero, down), select_less(c, d, down, zero), to_lower + 2 * x);
      });
      for (int64_t x = 2 * p.out_width; x < p.width; ++x) to_upper[x] = to_lower[x] = 0;
    }
    for (int64_t i = 2 * p.out_height * p.width; i < p.height * p.width; ++i) dx[i] = 0;
  }
}

}  // namespace
