// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/packing.h"

#include <algorithm>

namespace edgesmith::runtime::native {

namespace {

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

int64_t packed_rows_size(int64_t rows, int64_t k, int mr) { return round_up(rows, mr) * k; }
int64_t packed_columns_size(int64_t columns, int64_t k, int nr) { return round_up(columns, nr) * k; }

void pack_rows(const MatrixView& a, int mr, float* out) {
  for (int64_t first = 0; first < a.rows; first += mr) {
    const int64_t rows = std::min<int64_t>(mr, a.rows - first);
    for (int64_t k = 0; k < a.columns; ++k, out += mr) {
      const float* from = a.data + first * a.row_stride + k * a.column_stride;
      for (int64_t r = 0; r < rows; ++r) out[r] = from[r * a.row_stride];
      for (int64_t r = rows; r < mr; ++r) out[r] = 0;
    }
  }
}

void pack_columns(const MatrixView& b, int nr, float factor, float* out) {
  for (int64_t first = 0; first < b.columns; first += nr) {
    const int64_t columns = std::min<int64_t>(nr, b.columns - first);
    for (int64_t k = 0; k < b.rows; ++k, out += nr) {
      const float* from = b.data + k * b.row_stride + first * b.column_stride;
      for (int64_t c = 0; c < columns; ++c) out[c] = factor * from[c * b.column_stride];
      for (int64_t c = columns; c < nr; ++c) out[c] = 0;
    }
  }
}

void pack_panels(const MatrixView& b, int lanes, float* out) {
  int64_t vectors = (b.columns + lanes - 1) / lanes, panels = (vectors + kPanelVectors - 1) / kPanelVectors;
  for (int64_t first = 0; panels > 0; --panels) {
    const int64_t wide = (vectors + panels - 1) / panels;
    for (int64_t k = 0; k < b.rows; ++k) {
      for (int64_t c = first; c < first + wide * lanes; ++c) {
        *out++ = c < b.columns ? b.data[k * b.row_stride + c * b.column_stride] : 0.0F;
      }
    }
    first += wide * lanes;
    vectors -= wide;
  }
}

void multiply(const NativeTable& table, const PackedProduct& p, const Epilogue& epilogue) {
  Tile tile = {};
  tile.k = p.k;
  tile.ldb = table.nr;
  tile.ldc = p.ldc;
  tile.epilogue = &epilogue;
  for (int64_t j = 0; j < p.columns; j += table.nr) {
    set_vectors(tile, table, std::min<int64_t>(table.nr, p.columns - j));
    tile.b = p.b + j * p.k;
    tile.column_bias = p.column_bias == nullptr ? nullptr : p.column_bias + j;
    for (int64_t i = 0; i < p.rows; i += table.mr) {
      tile.m = static_cast<int>(std::min<int64_t>(table.mr, p.rows - i));
      tile.a = p.a + i * p.k;
      tile.row_bias = p.row_bias == nullptr ? nullptr : p.row_bias + i;
      tile.c = p.c + i * p.ldc + j;
      table.gemm_tile(tile);
    }
  }
}

void set_vectors(Tile& tile, const NativeTable& table, int64_t columns) {
  tile.vectors = static_cast<int>((columns + table.lanes - 1) / table.lanes);
  for (int v = 0; v < tile.vectors; ++v) {
    tile.source[v] = tile.target[v] = v * table.lanes;
    tile.count[v] = static_cast<int>(std::min<int64_t>(table.lanes, columns - v * table.lanes));
  }
}

}  // namespace edgesmith::runtime::native
