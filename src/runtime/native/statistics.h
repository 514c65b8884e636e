// SPDX-License-Identifier: Apache-2.0
// The inner loops of calibration, compiled once for each instruction set behind one table of functions.
//
// Every function gives the same bits on every instruction set: doubles are multiplied and added in two roundings, sums
// of many numbers have eight lanes whatever the width of a vector, and vectors lie across results elsewhere.
#pragma once

#include <cstdint>

#include "runtime/isa.h"

namespace edgesmith::runtime::native {

/// Sums of many numbers have so many lanes: number i goes to lane i modulo this, and the lanes are added in order.
constexpr int kStatisticsLanes = 8;

/// C += A * B, or C -= A * B, in doubles. Sums run over k in ascending order.
struct Product64 {
  const double* a;  ///< element (i, k) is at a[i * a_row + k * a_k]
  int64_t a_row, a_k;
  const double* b;  ///< row k is at b + k * ldb
  int64_t ldb;
  int64_t rows, k;
  int64_t columns;  ///< a multiple of kStatisticsLanes
  double* c;
  int64_t ldc;
  bool subtract;
};

/// The ends of some numbers; `finite` is false as soon as one is NaN or infinite (then the ends mean nothing).
struct Ends {
  float min, max;
  bool finite;
};

/// Sums of squares of numbers and of what others differ from them by.
struct Squares {
  double noise, signal;
};

struct StatisticsTable {
  void (*product64)(const Product64& product);
  Ends (*ends)(const float* values, int64_t count);  ///< count > 0
  /// out[i] = the floor of values[i] * bins_per_unit, less `first`; `zeros` for zeros.
  void (*find_bins)(const float* values, int64_t count, float bins_per_unit, int32_t first, int32_t zeros,
                    int32_t* out);
  Squares (*squares)(const float* values, const float* others, int64_t count);
};

/// The table for the best vectors that `isa` includes.
const StatisticsTable& statistics_table(Isa isa);

extern const StatisticsTable kStatisticsScalar;
extern const StatisticsTable kStatisticsAvx2;
extern const StatisticsTable kStatisticsAvx512;

}  // namespace edgesmith::runtime::native
