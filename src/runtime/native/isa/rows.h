// SPDX-License-Identifier: Apache-2.0
// Rows of any strides times a matrix packed in panels of at most four vectors.
#pragma once

#include "runtime/native/isa/epilogue.h"

namespace {

using edgesmith::runtime::native::kPanelVectors;
using edgesmith::runtime::native::RowProduct;

// Most rows of a tile of N vectors: sums, the vectors of B and a broadcast fill the registers.
constexpr int tile_rows(int vectors) {
  constexpr int kSums = kLanes == 16 ? 24 : 12;
  const int rows = kSums / vectors;
  return rows > 16 ? 16 : rows;
}

// R rows by N vectors from row `row` and panel `b` on. Three rows share a pointer, so that all addresses fit registers.
template <int R, int N>
void multiply_tile(const RowProduct& p, int64_t row, const float* b, int64_t column) {
  Vec sums[R][N];
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) {
    const Vec bias = p.bias != nullptr ? load(p.bias + column + j * kLanes) : set1(0.0F);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) sums[i][j] = bias;
  }
  const float* a[(R + 2) / 3];
#pragma GCC unroll 6
  for (int i = 0; i < R; i += 3) a[i / 3] = p.a + (row + i) * p.a_row;
  const int64_t a_row = p.a_row, a_k = p.a_k;
  for (int64_t k = p.k; k > 0; --k) {
    Vec columns[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) columns[j] = load(b + j * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const Vec left = set1(a[i / 3][i % 3 * a_row]);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sums[i][j] = fmadd(left, columns[j], sums[i][j]);
    }
#pragma GCC unroll 6
    for (int i = 0; i < R; i += 3) a[i / 3] += a_k;
    b += N * kLanes;
  }
  float* c = p.c + row * p.c_row + column;
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) store(c + i * p.c_row + j * kLanes, sums[i][j]);
  }
}

template <int R, int N>
void multiply_rows_of(int rows, const RowProduct& p, int64_t row, const float* b, int64_t column) {
  if (rows == R) return multiply_tile<R, N>(p, row, b, column);
  if constexpr (R > 1) multiply_rows_of<R - 1, N>(rows, p, row, b, column);
}

// All rows by one panel of N vectors, in tiles of nearly equal height.
template <int N>
void multiply_panel(const RowProduct& p, const float* b, int64_t column) {
  constexpr int kMost = tile_rows(N);
  int64_t tiles = (p.rows + kMost - 1) / kMost;
  for (int64_t row = 0; tiles > 0; --tiles) {
    const auto rows = static_cast<int>((p.rows - row + tiles - 1) / tiles);
    multiply_rows_of<kMost, N>(rows, p, row, b, column);
    row += rows;
  }
}

void multiply_rows(const RowProduct& p) {
  static_assert(kPanelVectors == 4);
  int64_t vectors = p.columns / kLanes, panels = (vectors + kPanelVectors - 1) / kPanelVectors;
  const float* b = p.b;
  for (int64_t column = 0; panels > 0; --panels) {
    const int64_t wide = (vectors + panels - 1) / panels;
    if (wide == 1) {
      multiply_panel<1>(p, b, column);
    } else if (wide == 2) {
      multiply_panel<2>(p, b, column);
    } else if (wide == 3) {
      multiply_panel<3>(p, b, column);
    } else {
      multiply_panel<4>(p, b, column);
    }
    b += wide * kLanes * p.k;
    column += wide * kLanes;
    vectors -= wide;
  }
}

}  // namespace
