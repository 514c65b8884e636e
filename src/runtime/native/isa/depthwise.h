// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/native/isa/epilogue.h"

namespace {

using edgesmith::runtime::native::Correlation;
using edgesmith::runtime::native::DepthwisePlane;

// N vectors of outputs that lie side by side in the padded plane.
template <int N>
inline void depthwise_vectors(const DepthwisePlane& p, const VecEpilogue& finish, int64_t from, float* out, int last) {
  Vec sums[N];
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) sums[j] = set1(p.bias);
  for (int64_t t = 0; t < p.taps; ++t) {
    const Vec weight = set1(p.weights[t]);
    const float* in = p.plane + from + p.offsets[t];
#pragma GCC unroll 4
    for (int j = 0; j + 1 < N; ++j) sums[j] = fmadd(weight, load(in + j * kLanes), sums[j]);
    sums[N - 1] = fmadd(weight, load_upto(in + (N - 1) * kLanes, last), sums[N - 1]);
  }
#pragma GCC unroll 4
  for (int j = 0; j + 1 < N; ++j) store(out + j * kLanes, finish(sums[j]));
  store_upto(out + (N - 1) * kLanes, finish(sums[N - 1]), last);
}

// `count` outputs from position `from` of the padded plane on.
inline void depthwise_run(const DepthwisePlane& p, const VecEpilogue& finish, int64_t from, float* out, int64_t count) {
  int64_t x = 0;
  for (; x + 4 * kLanes <= count; x += 4 * kLanes) depthwise_vectors<4>(p, finish, from + x, out + x, kLanes);
  for (; x + kLanes <= count; x += kLanes) depthwise_vectors<1>(p, finish, from + x, out + x, kLanes);
  if (x < count) depthwise_vectors<1>(p, finish, from + x, out + x, static_cast<int>(count - x));
}

void depthwise(const DepthwisePlane& p) {
  const VecEpilogue finish(*p.epilogue);
  if (p.width >= kLanes || p.pitch == p.width) {
    const bool whole = p.pitch == p.width;
    const int64_t rows = whole ? 1 : p.height, width = whole ? p.height * p.width : p.width;
    for (int64_t y = 0; y < rows; ++y) depthwise_run(p, finish, y * p.pitch, p.out + y * width, width);
    return;
  }
  // Narrow planes: the padding between rows is computed too, and left out when copying.
  depthwise_run(p, finish, 0, p.flat, (p.height - 1) * p.pitch + p.width);
  for (int64_t y = 0; y < p.height; ++y) {
    for_vectors(p.width, [&](int64_t x, int n) {
      store_upto(p.out + y * p.width + x, load_upto(p.flat + y * p.pitch + x, n), n);
    });
  }
}

// T taps together: each number of dy is loaded once for them, and none waits for the sum of another.
template <int T>
inline void correlate_taps(const Correlation& c, int64_t first) {
  constexpr int kVectors = 16 / kLanes;
  float* stripes = c.stripes + first * 16;
  Vec sums[T][kVectors];
#pragma GCC unroll 3
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 16
    for (int j = 0; j < kVectors; ++j) sums[t][j] = load(stripes + t * 16 + j * kLanes);
  }
  for (int64_t y = 0; y < c.height; ++y) {
    const float* dy = c.dy + y * c.width;
    const float* row = c.plane + y * c.pitch;
    int64_t x = 0;
    for (; x + 16 <= c.width; x += 16) {
#pragma GCC unroll 16
      for (int j = 0; j < kVectors; ++j) {
        const Vec g = load(dy + x + j * kLanes);
#pragma GCC unroll 3
        for (int t = 0; t < T; ++t) {
          sums[t][j] = fmadd(g, load(row + c.taps[first + t] + x + j * kLanes), sums[t][j]);
        }
      }
    }
#pragma GCC unroll 16
    for (int j = 0; j < kVectors; ++j) {
      const int64_t left = c.width - x - j * kLanes;
      if (left <= 0) break;
      const int n = left < kLanes ? static_cast<int>(left) : kLanes;
      const Vec g = load_upto(dy + x + j * kLanes, n);
#pragma GCC unroll 3
      for (int t = 0; t < T; ++t) {
        sums[t][j] = fmadd(g, load_upto(row + c.taps[first + t] + x + j * kLanes, n), sums[t][j]);
      }
    }
  }
#pragma GCC unroll 3
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 16
    for (int j = 0; j < kVectors; ++j) store(stripes + t * 16 + j * kLanes, sums[t][j]);
  }
}

void correlate(const Correlation& c) {
  int64_t tap = 0;
  for (; tap + 3 <= c.num_taps; tap += 3) correlate_taps<3>(c, tap);
  for (; tap < c.num_taps; ++tap) correlate_taps<1>(c, tap);
}

}  // namespace
