// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/packing.h"

#include <algorithm>

namespace edgesmith::runtime::native {

namespace {

// Longer sums are made in several passes over C, so that a panel stays in the second-level cache; passing a number
// through memory does not change it.
constexpr int64_t kPassLength = 1024;
// So many bytes of A stay in that cache while the panels pass by.
constexpr int64_t kBlockBytes = int64_t{512} << 10;

}  // namespace

int64_t packed_columns_size(int64_t columns, int64_t k, const NativeTable& table) {
  return round_up(columns, table.lanes) * k;
}

void pack_columns(const MatrixView& b, float factor, const NativeTable& table, float* out) {
  const int64_t vectors = round_up(b.columns, table.lanes) / table.lanes;
  for_even_runs(vectors, table.tile_vectors, [&](int64_t first, int64_t count) {
    const int64_t begin = first * table.lanes, end = begin + count * table.lanes;
    const int64_t last = std::min(end, b.columns);
    if (b.row_stride == 1 && factor == 1.0F && begin < last) {  // columns lie one behind the other
      table.transpose(b.data + begin * b.column_stride, last - begin, b.rows, b.column_stride, out, end - begin,
                      nullptr, {});
      for (int64_t k = 0; k < b.rows && last < end; ++k) {
        std::fill(out + k * (end - begin) + last - begin, out + (k + 1) * (end - begin), 0.0F);
      }
      out += b.rows * (end - begin);
      return;
    }
    for (int64_t k = 0; k < b.rows; ++k) {
      const float* from = b.data + k * b.row_stride;
      if (b.column_stride == 1 && factor == 1.0F) {
        std::copy(from + begin, from + last, out);
      } else {
        for (int64_t c = begin; c < last; ++c) out[c - begin] = factor * from[c * b.column_stride];
      }
      for (int64_t c = last; c < end; ++c) out[c - begin] = 0;
      out += end - begin;
    }
  });
}

void pack_rows(const MatrixView& a, const NativeTable& table, float* out) {
  for_even_runs(a.rows, table.packed_rows, [&](int64_t first, int64_t count) {
    for (int64_t k = 0; k < a.columns; ++k) {
      const float* from = a.data + first * a.row_stride + k * a.column_stride;
      for (int64_t r = 0; r < count; ++r) *out++ = from[r * a.row_stride];
    }
  });
}

void multiply(const NativeTable& table, const PackedProduct& p, const Epilogue& epilogue) {
  const int64_t vectors = round_up(p.columns, table.lanes) / table.lanes, length = p.a.columns;
  // Panels that come from further away are fetched one ahead (measured: 5 % of 1x1 convolutions of 7x7 planes).
  const bool far = p.columns * length * 4 > kBlockBytes;
  const Epilogue none;
  Tile tile = {};
  tile.a_row = p.a.row_stride;
  tile.a_k = p.a.column_stride;
  tile.ldc = p.ldc;
  const auto run = [&](int64_t first_k, int64_t k, int64_t first_row, int64_t rows) {
    tile.k = k;
    tile.rows = rows;
    tile.a = p.a.data + first_row * tile.a_row + first_k * tile.a_k;
    tile.add = p.add || first_k > 0;
    tile.epilogue = first_k + k == length ? &epilogue : &none;
    for_even_runs(vectors, table.tile_vectors, [&](int64_t first, int64_t count) {
      const int64_t column = first * table.lanes;
      tile.ldb = count * table.lanes;
      set_vectors(tile, table, std::min(tile.ldb, p.columns - column));
      tile.b = p.b + column * length + first_k * tile.ldb;
      const bool another = far && rows > table.packed_rows && first + 2 * count <= vectors;
      tile.next = another ? tile.b + length * tile.ldb : nullptr;
      tile.column_bias = p.column_bias == nullptr ? nullptr : p.column_bias + column;
      tile.row_bias = p.row_bias == nullptr ? nullptr : p.row_bias + first_row;
      tile.c = p.c + first_row * p.ldc + column;
      table.gemm_tile(tile);
    });
  };
  if (length == 0) return p.add ? void() : run(0, 0, 0, p.a.rows);
  for_even_runs(length, kPassLength, [&](int64_t first_k, int64_t k) {
    const int64_t rows = std::max<int64_t>(kBlockBytes / 4 / k, 1);
    for_even_runs(p.a.rows, rows, [&](int64_t first_row, int64_t count) { run(first_k, k, first_row, count); });
  });
}

void set_vectors(Tile& tile, const NativeTable& table, int64_t columns) {
  tile.vectors = static_cast<int>((columns + table.lanes - 1) / table.lanes);
  for (int v = 0; v < tile.vectors; ++v) {
    tile.source[v] = tile.target[v] = v * table.lanes;
    tile.count[v] = static_cast<int>(std::min<int64_t>(table.lanes, columns - v * table.lanes));
  }
}

}  // namespace edgesmith::runtime::native
