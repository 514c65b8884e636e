// SPDX-License-Identifier: Apache-2.0
// Sums and maxima of rows. Number i goes to stripe i modulo 16 whatever the width of a vector, and the stripes meet in
// a tree: one order, so the same bits on every instruction set.
#pragma once

#include "runtime/native/isa/functions.h"

namespace {

using edgesmith::runtime::native::Corners;

constexpr int kStripes = 16, kStripeVectors = kStripes / kLanes;

template <typename Combine>
inline float fold_stripes(float (&stripes)[kStripes], Combine combine) {
  for (int half = kStripes / 2; half > 0; half /= 2) {
    for (int s = 0; s < half; ++s) stripes[s] = combine(stripes[s], stripes[s + half]);
  }
  return stripes[0];
}

// Folds f(vector, its place) of a row; `start` is neutral. `f` gives a vector of at most n numbers of use.
template <typename Read, typename CombineVectors, typename Combine>
inline float fold_row(int64_t count, float start, Read read, CombineVectors combine_vectors, Combine combine) {
  Vec sums[kStripeVectors];
#pragma GCC unroll 16
  for (int j = 0; j < kStripeVectors; ++j) sums[j] = set1(start);
  int64_t i = 0;
  for (; i + kStripes <= count; i += kStripes) {
#pragma GCC unroll 16
    for (int j = 0; j < kStripeVectors; ++j) sums[j] = combine_vectors(read(i + j * kLanes, kLanes), sums[j]);
  }
  float stripes[kStripes], rest[kStripes];
#pragma GCC unroll 16
  for (int j = 0; j < kStripeVectors; ++j) store(stripes + j * kLanes, sums[j]);
  const auto left = static_cast<int>(count - i);
  for (int j = 0; j < left; j += kLanes) {
    store(rest + j, read(i + j, left - j < kLanes ? left - j : kLanes));
  }
  for (int s = 0; s < left; ++s) stripes[s] = combine(rest[s], stripes[s]);
  return fold_stripes(stripes, combine);
}

inline float add_numbers(float a, float b) { return a + b; }
inline float larger(float a, float b) { return a > b ? a : b; }

float row_sum(const float* in, int64_t count) {
  return fold_row(
      count, 0, [&](int64_t i, int n) { return load_upto(in + i, n); }, [](Vec a, Vec b) { return add(a, b); },
      add_numbers);
}

float row_max(const float* in, int64_t count) {
  return fold_row(
      count, -kInfinity, [&](int64_t i, int n) { return load_upto(in + i, n); }, [](Vec a, Vec b) { return max(a, b); },
      larger);
}

void softmax_row(const float* in, int64_t count, bool log, float* out, const Epilogue& epilogue) {
  const VecEpilogue finish(epilogue);
  const Vec largest = set1(row_max(in, count));
  const float sum = fold_row(
      count, 0,
      [&](int64_t i, int n) {
        const Vec x = sub(load_upto(in + i, n), largest), e = exp_of(x);
        store_upto(out + i, log ? x : e, n);
        return e;
      },
      [](Vec a, Vec b) { return add(a, b); }, add_numbers);
  const Vec end = log ? log_of(set1(sum)) : set1(sum);
  for_vectors(count, [&](int64_t i, int n) {
    const Vec x = load_upto(out + i, n);
    store_upto(out + i, finish(log ? sub(x, end) : div(x, end)), n);
  });
}

// Vectors lie across outputs: the inputs are added in order.
void mix(const float* in, const int64_t* indices, const float* weights, int64_t inputs, int64_t inner, float* out) {
  for_vectors(inner, [&](int64_t i, int n) {
    Vec sum = mul(set1(weights[0]), load_upto(in + indices[0] * inner + i, n));
    for (int64_t k = 1; k < inputs; ++k) {
      sum = fmadd(set1(weights[k]), load_upto(in + indices[k] * inner + i, n), sum);
    }
    store_upto(out + i, sum, n);
  });
}

void mix_neighbours(const float* in, const int64_t* begins, const int64_t* indices, const float* weights,
                    int64_t outputs, float* out) {
  for (int64_t o = 0; o < outputs; ++o) {
    float sum = weights[begins[o]] * in[indices[begins[o]]];
    for (int64_t k = begins[o] + 1; k < begins[o + 1]; ++k) sum = __builtin_fmaf(weights[k], in[indices[k]], sum);
    out[o] = sum;
  }
}

// One rounding after another, without fused multiply-add: as ONNX Runtime resizes.
void mix_corners(const Corners& c, int64_t count, float* out) {
  const Vec above = set1(c.above), below = set1(c.below);
  for_vectors(count, [&](int64_t i, int n) {
    const Vec left = load_upto(c.left + i, n), right = load_upto(c.right + i, n);
    Vec sum = mul(mul(left, above), load_upto(c.above_left + i, n));
    sum = add(sum, mul(mul(right, above), load_upto(c.above_right + i, n)));
    sum = add(sum, mul(mul(left, below), load_upto(c.below_left + i, n)));
    store_upto(out + i, add(sum, mul(mul(right, below), load_upto(c.below_right + i, n))), n);
  });
}

// The corners of one slice in that order, then those of the other.
void mix_eight_corners(const Corners& near, float near_weight, const Corners& far, float far_weight, int64_t count,
                       float* out) {
  const Vec above = set1(near.above), below = set1(near.below);
  const Vec near_slice = set1(near_weight), far_slice = set1(far_weight);
  for_vectors(count, [&](int64_t i, int n) {
    const Vec left = load_upto(near.left + i, n), right = load_upto(near.right + i, n);
    const Vec above_left = mul(left, above), above_right = mul(right, above);
    const Vec below_left = mul(left, below), below_right = mul(right, below);
    Vec sum = mul(mul(above_left, near_slice), load_upto(near.above_left + i, n));
    sum = add(sum, mul(mul(above_right, near_slice), load_upto(near.above_right + i, n)));
    sum = add(sum, mul(mul(below_left, near_slice), load_upto(near.below_left + i, n)));
    sum = add(sum, mul(mul(below_right, near_slice), load_upto(near.below_right + i, n)));
    sum = add(sum, mul(mul(above_left, far_slice), load_upto(far.above_left + i, n)));
    sum = add(sum, mul(mul(above_right, far_slice), load_upto(far.above_right + i, n)));
    sum = add(sum, mul(mul(below_left, far_slice), load_upto(far.below_left + i, n)));
    store_upto(out + i, add(sum, mul(mul(below_right, far_slice), load_upto(far.below_right + i, n))), n);
  });
}

}  // namespace
