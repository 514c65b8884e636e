// SPDX-License-Identifier: Apache-2.0
// Matrices packed for NativeTable::gemm_tile.
#pragma once

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

/// Floats of the packed left operand (rows in tiles of mr) / right operand (columns in panels of nr).
int64_t packed_rows_size(int64_t rows, int64_t k, int mr);
int64_t packed_columns_size(int64_t columns, int64_t k, int nr);
/// out[tile][k][mr], the rows missing in the last tile zero.
void pack_rows(const MatrixView& a, int mr, float* out);
/// out[panel][k][nr] = factor * b, the columns missing in the last panel zero.
void pack_columns(const MatrixView& b, int nr, float factor, float* out);

/// Packs b for NativeTable::multiply_rows: panels of nearly equal width, the columns missing in the last vector zero.
/// Takes k * columns rounded up to whole vectors.
void pack_panels(const MatrixView& b, int lanes, float* out);

/// Makes the vectors of a tile lie side by side: `columns` (at most nr) of a packed panel, going to as many of C.
void set_vectors(Tile& tile, const NativeTable& table, int64_t columns);

/// C = A * B + bias for packed operands: rows x columns, row-major with `ldc`. Bias by row or
/// by column (padded to whole panels), or null.
struct PackedProduct {
  const float* a;
  const float* b;
  int64_t rows, columns, k;
  const float* row_bias;
  const float* column_bias;
  float* c;
  int64_t ldc;
};
void multiply(const NativeTable& table, const PackedProduct& product, const Epilogue& epilogue);

/// Constant operands in packed form.
struct PackedConstants : Prepared {
  std::vector<float> matrix;  ///< empty: the operand is not constant
  std::vector<float> bias;    ///< empty: none
};

}  // namespace edgesmith::runtime::native
