// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/native/isa/epilogue.h"

namespace {

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

}  // namespace
