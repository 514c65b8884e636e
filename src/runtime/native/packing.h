// SPDX-License-Identifier: Apache-2.0
// Matrix products by NativeTable::gemm_tile: the right operand is packed in panels, the left one is read where it lies.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/kernel_registry.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

/// A matrix by strides: element (r, c) is at data[r * row_stride + c * column_stride].
struct MatrixView {
  const float* data;
  int64_t row_stride, column_stride;
  int64_t rows, columns;
};

/// Calls body(first, count) for runs of nearly equal length, none longer than `most`, that together are [0, total).
template <typename Body>
void for_even_runs(int64_t total, int64_t most, Body body) {
  int64_t runs = (total + most - 1) / most;
  for (int64_t first = 0; runs > 0; --runs) {
    const int64_t count = (total - first + runs - 1) / runs;
    body(first, count);
    first += count;
  }
}

/// Runs first_run .. end_run - 1 of those.
template <typename Body>
void for_even_runs_between(int64_t total, int64_t most, int64_t first_run, int64_t end_run, Body body) {
  const int64_t runs = (total + most - 1) / most;
  for (int64_t r = first_run; r < end_run; ++r) {
    const int64_t least = total / runs, longer = total % runs;  // the first ones are longer by one
    body(r * least + std::min(r, longer), least + (r < longer ? 1 : 0));
  }
}

/// `value` rounded up to a multiple of `unit`.
inline int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

/// Floats of a packed right operand.
int64_t packed_columns_size(int64_t columns, int64_t k, const NativeTable& table);
/// out[panel][k][columns of the panel] = factor * b, the columns missing in the last vector zero. Panels are the even
/// runs of vectors that fit a tile.
void pack_columns(const MatrixView& b, float factor, const NativeTable& table, float* out);

/// out[group][k][rows of the group], where groups are the even runs of rows that fit a tile: for left operands that are
/// read once from far caches, where the rows of a tile would be too many streams. Takes rows * columns floats.
void pack_rows(const MatrixView& a, const NativeTable& table, float* out);

/// Makes the vectors of a tile lie side by side: `columns` (at most nr) of a panel, going to as many of C.
void set_vectors(Tile& tile, const NativeTable& table, int64_t columns);

/// C = A * B + bias: row-major with `ldc`. The column bias has whole vectors; it may be null.
struct PackedProduct {
  MatrixView a;
  const float* b;  ///< packed
  int64_t columns;
  const float* column_bias;
  float* c;
  int64_t ldc;
  bool add = false;                 ///< C += A * B, without a bias
  const float* row_bias = nullptr;  ///< [rows of A], instead of a column bias
};
void multiply(const NativeTable& table, const PackedProduct& product, const Epilogue& epilogue);

/// Constant operands in packed form.
struct PackedConstants : Prepared {
  std::vector<float> matrix;  ///< empty: the operand is not constant
  std::vector<float> bias;    ///< empty: none
};

}  // namespace edgesmith::runtime::native
