// SPDX-License-Identifier: Apache-2.0
// The inner loops of calibration for the instruction set of the including file. Vectors are the compiler's, of one
// width for all: it makes of them as many registers as it needs. No standard templates are used, so that the linker
// never picks code compiled for another instruction set.
#pragma once

#include "runtime/native/statistics.h"

namespace {

using edgesmith::runtime::native::Ends;
using edgesmith::runtime::native::kStatisticsLanes;
using edgesmith::runtime::native::Product64;
using edgesmith::runtime::native::Squares;
using edgesmith::runtime::native::StatisticsTable;

typedef double Vec64 __attribute__((vector_size(8 * kStatisticsLanes), aligned(8), may_alias));

inline Vec64 load64(const double* p) { return *reinterpret_cast<const Vec64*>(p); }
inline void store64(double* p, Vec64 v) { *reinterpret_cast<Vec64*>(p) = v; }

// R rows by N vectors of C, in registers where there are enough.
template <int R, int N, bool Subtract>
inline void product_tile(const Product64& p, int64_t row, int64_t column) {
  Vec64 sums[R][N];
  double* c = p.c + row * p.ldc + column;
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) sums[i][j] = load64(c + i * p.ldc + j * kStatisticsLanes);
  }
  const double* a = p.a + row * p.a_row;
  const double* b = p.b + column;
  for (int64_t k = 0; k < p.k; ++k, a += p.a_k, b += p.ldb) {
    Vec64 right[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) right[j] = load64(b + j * kStatisticsLanes);
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      const double left = a[i * p.a_row];
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sums[i][j] = Subtract ? sums[i][j] - left * right[j] : sums[i][j] + left * right[j];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) store64(c + i * p.ldc + j * kStatisticsLanes, sums[i][j]);
  }
}

template <int N, bool Subtract>
void product_columns(const Product64& p, int64_t column) {
#if defined(__AVX512F__)
  constexpr int kRows = 8;
#elif defined(__AVX2__)
  constexpr int kRows = 4;
#else
  constexpr int kRows = 2;
#endif
  int64_t row = 0;
  for (; row + kRows <= p.rows; row += kRows) product_tile<kRows, N, Subtract>(p, row, column);
  for (; row < p.rows; ++row) product_tile<1, N, Subtract>(p, row, column);
}

template <bool Subtract>
void product_all(const Product64& p) {
#if defined(__AVX512F__)
  constexpr int kVectors = 2;
#else
  constexpr int kVectors = 1;
#endif
  int64_t column = 0;
  for (; column + kVectors * kStatisticsLanes <= p.columns; column += kVectors * kStatisticsLanes) {
    product_columns<kVectors, Subtract>(p, column);
  }
  for (; column < p.columns; column += kStatisticsLanes) product_columns<1, Subtract>(p, column);
}

void product64(const Product64& p) { p.subtract ? product_all<true>(p) : product_all<false>(p); }

Ends find_ends(const float* values, int64_t count) {
  constexpr int kLanes = 32;  // side by side, so that the compiler makes vectors of them
  float min[kLanes], max[kLanes], zero[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    min[lane] = max[lane] = values[0];
    zero[lane] = 0;  // becomes NaN as soon as one value is not finite
  }
  const auto look = [&](int lane, float value) {
    min[lane] = value < min[lane] ? value : min[lane];
    max[lane] = value > max[lane] ? value : max[lane];
    zero[lane] += value * 0.0F;
  };
  const int64_t whole = count / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) look(lane, values[i + lane]);
  }
  for (int64_t i = whole; i < count; ++i) look(static_cast<int>(i - whole), values[i]);
  for (int lane = 1; lane < kLanes; ++lane) {
    min[0] = min[lane] < min[0] ? min[lane] : min[0];
    max[0] = max[lane] > max[0] ? max[lane] : max[0];
    zero[0] += zero[lane];
  }
  return {min[0], max[0], zero[0] == 0.0F};
}

typedef float Vec32 __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t Int32 __attribute__((vector_size(64), aligned(4), may_alias));

// The floor is written out: compilers leave loops that call it, or that compare, one number at a time, since a NaN
// might trap.
void find_bins(const float* values, int64_t count, float bins_per_unit, int32_t first, int32_t zeros, int32_t* out) {
  constexpr int kLanes = sizeof(Vec32) / sizeof(float);
  const int64_t whole = count / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Vec32 value = *reinterpret_cast<const Vec32*>(values + i), position = value * bins_per_unit;
    const Int32 cut = __builtin_convertvector(position, Int32);
    const Int32 bin = cut + (position < __builtin_convertvector(cut, Vec32)) - first;  // true is -1
    const Int32 is_zero = value == 0.0F;
    *reinterpret_cast<Int32*>(out + i) = (is_zero & zeros) | (~is_zero & bin);
  }
  for (int64_t i = whole; i < count; ++i) {
    const float position = values[i] * bins_per_unit;
    const auto cut = static_cast<int32_t>(position);
    out[i] = values[i] == 0.0F ? zeros : cut - (position < static_cast<float>(cut) ? 1 : 0) - first;
  }
}

Squares sum_squares(const float* values, const float* others, int64_t count) {
  constexpr int kLanes = kStatisticsLanes;
  double noise[kLanes] = {}, signal[kLanes] = {};
  const auto look = [&](int lane, double value, double other) {
    const double error = value - other;
    noise[lane] += error * error;
    signal[lane] += value * value;
  };
  const int64_t whole = count / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) look(lane, values[i + lane], others[i + lane]);
  }
  for (int64_t i = whole; i < count; ++i) look(static_cast<int>(i - whole), values[i], others[i]);
  for (int lane = 1; lane < kLanes; ++lane) {
    noise[0] += noise[lane];
    signal[0] += signal[lane];
  }
  return {noise[0], signal[0]};
}

constexpr StatisticsTable make_statistics_table() {
  return {.product64 = product64, .ends = find_ends, .find_bins = find_bins, .squares = sum_squares};
}

}  // namespace
