// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution by square windows straight from the input planes: what lies outside is masked, and every row
// that is read serves all rows of outputs that it belongs to.
#pragma once

#include "runtime/native/isa/epilogue.h"

namespace {

using edgesmith::runtime::native::DepthwiseWindow;

// The taps of one row of the window that are loaded together: one for stride 1, two neighbours for stride 2.
template <int S>
struct TapMasks {
  Mask low, high;
};

// Columns of the input that exist, of those that the outputs from `x` on read for tap `kx`.
template <int S>
inline TapMasks<S> tap_masks(const DepthwiseWindow& d, int64_t x, int kx) {
  const int64_t first = x * S + kx - d.pad_left;
  return {mask_between(-first, d.width - first), mask_between(-first - kLanes, d.width - first - kLanes)};
}

// The inputs of one row for all taps of a window's row.
template <int K, int S, bool Masked>
inline void load_taps(const float* row, const TapMasks<S>* masks, Vec* taps) {
#pragma GCC unroll 5
  for (int kx = 0; kx < K; kx += S) {
    const Vec low = Masked ? load_masked(row + kx, masks[kx].low) : load(row + kx);
    if (S == 1) {
      taps[kx] = low;
      continue;
    }
    const Vec high = Masked ? load_masked(row + kx + kLanes, masks[kx].high) : load(row + kx + kLanes);
    taps[kx] = even_numbers(low, high);
    if (kx + 1 < K) taps[kx + 1] = odd_numbers(low, high);
  }
}

// R rows of at most kLanes outputs.
template <int K, int S, int R, bool Masked>
inline void depthwise_tile(const DepthwiseWindow& d, const float* in, const float* weights, Vec bias,
                           const TapMasks<S>* masks, const VecEpilogue& finish, int64_t y, int64_t x, int count,
                           float* out) {
  Vec sums[R];
#pragma GCC unroll 4
  for (int i = 0; i < R; ++i) sums[i] = bias;
  const int64_t top = y * S - d.pad_top;
  const float* row = in + top * d.width + x * S - d.pad_left;
#pragma GCC unroll 11
  for (int r = 0; r < (R - 1) * S + K; ++r) {
    if (top + r < 0 || top + r >= d.height) continue;
    Vec taps[K + 1];
    load_taps<K, S, Masked>(row + r * d.width, masks, taps);
#pragma GCC unroll 5
    for (int kx = 0; kx < K; ++kx) {
#pragma GCC unroll 4
      for (int i = 0; i < R; ++i) {
        const int ky = r - i * S;
        if (ky >= 0 && ky < K) sums[i] = fmadd(set1(weights[ky * K + kx]), taps[kx], sums[i]);
      }
    }
  }
  out += y * d.out_width + x;
#pragma GCC unroll 4
  for (int i = 0; i < R; ++i) store_upto(out + i * d.out_width, finish(sums[i]), count);
}

// One column of vectors of outputs.
template <int K, int S, bool Masked>
inline void depthwise_column(const DepthwiseWindow& d, const float* in, const float* weights, Vec bias,
                             const VecEpilogue& finish, int64_t x, float* out) {
  TapMasks<S> masks[K];
#pragma GCC unroll 5
  for (int kx = 0; kx < K; kx += S) masks[kx] = tap_masks<S>(d, x, kx);
  const int count = d.out_width - x < kLanes ? static_cast<int>(d.out_width - x) : kLanes;
  int64_t y = 0;
  for (; y + 4 <= d.out_height; y += 4)
    depthwise_tile<K, S, 4, Masked>(d, in, weights, bias, masks, finish, y, x, count, out);
  if (y + 2 <= d.out_height) {
    depthwise_tile<K, S, 2, Masked>(d, in, weights, bias, masks, finish, y, x, count, out);
    y += 2;
  }
  if (y < d.out_height) depthwise_tile<K, S, 1, Masked>(d, in, weights, bias, masks, finish, y, x, count, out);
}

template <int K, int S>
void depthwise_planes(const DepthwiseWindow& d) {
  const VecEpilogue finish(*d.epilogue);
  const float* weights = d.weights;
  float* out = d.out;
  for (int64_t channel = 0; channel < d.planes * d.multiplier; ++channel) {
    const float* in = d.in + channel / d.multiplier * d.height * d.width;
    const Vec bias = set1(d.bias == nullptr ? 0.0F : d.bias[channel]);
    for (int64_t x = 0; x < d.out_width; x += kLanes) {
      const int64_t first = x * S - d.pad_left, last = first + K - 1 + (S == 1 ? kLanes : 2 * kLanes);
      if (first >= 0 && last <= d.width) {
        depthwise_column<K, S, false>(d, in, weights, bias, finish, x, out);
      } else {
        depthwise_column<K, S, true>(d, in, weights, bias, finish, x, out);
      }
    }
    weights += K * K;
    out += d.out_height * d.out_width;
  }
}

void depthwise_window(const DepthwiseWindow& d) {
  if (d.kernel == 3) {
    d.stride == 1 ? depthwise_planes<3, 1>(d) : depthwise_planes<3, 2>(d);
  } else {
    d.stride == 1 ? depthwise_planes<5, 1>(d) : depthwise_planes<5, 2>(d);
  }
}

}  // namespace
