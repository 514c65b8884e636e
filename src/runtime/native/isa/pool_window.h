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

// The larger of two, the first where they are equal or the second is not a number: whether it is the second.
inline bool second_wins(float a, float b) { return (b > a) | ((a != a) & (b == b)); }

// Written so that the compiler makes vectors of it: no branches, and loads and stores of neighbours.
void max_pool_gradient(const PoolGradient& p) {
  const int64_t pairs = p.out_width, rows = p.out_height;
  for (int64_t plane = 0; plane < p.planes; ++plane) {
    const float* in = p.in + plane * p.height * p.width;
    float* dx = p.dx + plane * p.height * p.width;
    const float* __restrict dy = p.dy + plane * rows * pairs;
    for (int64_t y = 0; y < rows; ++y, dy += pairs) {
      const float* __restrict upper = in + 2 * y * p.width;
      const float* __restrict lower = upper + p.width;
      float* __restrict to_upper = dx + 2 * y * p.width;
      float* __restrict to_lower = to_upper + p.width;
      for (int64_t x = 0; x < pairs; ++x) {
        const float a = upper[2 * x], b = upper[2 * x + 1], c = lower[2 * x], d = lower[2 * x + 1];
        const bool right_above = second_wins(a, b), right_below = second_wins(c, d);
        const float above = right_above ? b : a, below = right_below ? d : c;
        const bool is_below = second_wins(above, below);
        const float g = dy[x], up = is_below ? 0.0F : g, down = is_below ? g : 0.0F;
        to_upper[2 * x] = right_above ? 0.0F : up;
        to_upper[2 * x + 1] = right_above ? up : 0.0F;
        to_lower[2 * x] = right_below ? 0.0F : down;
        to_lower[2 * x + 1] = right_below ? down : 0.0F;
      }
      for (int64_t x = 2 * pairs; x < p.width; ++x) to_upper[x] = to_lower[x] = 0;
    }
    for (int64_t i = 2 * rows * p.width; i < p.height * p.width; ++i) dx[i] = 0;
  }
}

}  // namespace
