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

// T taps and M planes of dy together: each number is loaded once for them. The lanes that a vector holds are summed
// over all rows before the next ones, so that all sums stay in registers.
template <int T, int M>
__attribute__((noinline)) void correlate_block(const Correlation& c, int64_t first_tap, int64_t first_plane) {
  const int64_t plane = c.height * c.width, stripes_step = c.num_taps * 16;
  for (int64_t lane = 0; lane < 16; lane += kLanes) {
    float* stripes = c.stripes + first_plane * stripes_step + first_tap * 16 + lane;
    Vec sums[T][M];
#pragma GCC unroll 5
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m) sums[t][m] = load(stripes + m * stripes_step + t * 16);
    }
    for (int64_t y = 0; y < c.height; ++y) {
      const float* dy = c.dy + first_plane * plane + y * c.width;
      const float* row = c.plane + y * c.pitch;
      int64_t x = lane;
      for (; x + kLanes <= c.width; x += 16) {
        Vec g[M];
#pragma GCC unroll 4
        for (int m = 0; m < M; ++m) g[m] = load(dy + m * plane + x);
#pragma GCC unroll 5
        for (int t = 0; t < T; ++t) {
          const Vec v = load(row + c.taps[first_tap + t] + x);
#pragma GCC unroll 4
          for (int m = 0; m < M; ++m) sums[t][m] = fmadd(g[m], v, sums[t][m]);
        }
      }
      if (x >= c.width) continue;
      const auto n = static_cast<int>(c.width - x);
      Vec g[M];
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m) g[m] = load_upto(dy + m * plane + x, n);
#pragma GCC unroll 5
      for (int t = 0; t < T; ++t) {
        const Vec v = load_upto(row + c.taps[first_tap + t] + x, n);
#pragma GCC unroll 4
        for (int m = 0; m < M; ++m) sums[t][m] = fmadd(g[m], v, sums[t][m]);
      }
    }
#pragma GCC unroll 5
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m) store(stripes + m * stripes_step + t * 16, sums[t][m]);
    }
  }
}

// Taps and planes at a time: with the planes' numbers and one of the picture they fit the registers.
constexpr int kCorrelatedTaps = kTileSums >= 20 ? 5 : 3, kCorrelatedPlanes = kTileSums >= 20 ? 4 : 3;

template <int T, int M>
inline void correlate_planes(const Correlation& c, int64_t tap, int64_t plane, int planes) {
  if (planes == M) return correlate_block<T, M>(c, tap, plane);
  if constexpr (M > 1) correlate_planes<T, M - 1>(c, tap, plane, planes);
}

template <int T>
inline void correlate_taps(const Correlation& c, int64_t tap, int taps, int64_t plane, int planes) {
  if (taps == T) return correlate_planes<T, kCorrelatedPlanes>(c, tap, plane, planes);
  if constexpr (T > 1) correlate_taps<T - 1>(c, tap, taps, plane, planes);
}

void correlate(const Correlation& c) {
  int64_t plane_runs = (c.num_planes + kCorrelatedPlanes - 1) / kCorrelatedPlanes;
  for (int64_t plane = 0; plane_runs > 0; --plane_runs) {
    const auto planes = static_cast<int>((c.num_planes - plane + plane_runs - 1) / plane_runs);
    int64_t tap_runs = (c.num_taps + kCorrelatedTaps - 1) / kCorrelatedTaps;
    for (int64_t tap = 0; tap_runs > 0; --tap_runs) {
      const auto taps = static_cast<int>((c.num_taps - tap + tap_runs - 1) / tap_runs);
      correlate_taps<kCorrelatedTaps>(c, tap, taps, plane, planes);
      tap += taps;
    }
    plane += planes;
  }
}

}  // namespace
