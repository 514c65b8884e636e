// SPDX-License-Identifier: Apache-2.0
// The register-blocked inner product of convolutions and matrix products.
#pragma once

#include "runtime/native/isa/epilogue.h"

namespace {

using edgesmith::runtime::native::Segment;
using edgesmith::runtime::native::Tile;

constexpr int kTileColumns = kTileVectors * kLanes;

// Most rows beside so many vectors: sums, the vectors of B and the broadcast fill the registers.
constexpr int rows_beside(int vectors) {
  const int rows = kTileSums / vectors;
  return rows > 16 ? 16 : rows;
}

// Where the rows of A lie: by strides, or packed in groups of at most kPackedRows rows as [k][rows of the group]. The
// latter are for convolutions, whose vectors of B come from further away: more rows then share each of them.
enum class Left { strided, packed };
constexpr int kPackedVectors = 3, kPackedRows = rows_beside(kPackedVectors);

// Where the rows of B lie: a step apart, at a table of offsets, or at every tap of every plane, where lanes are masked.
enum class Right { steps, offsets, taps };

// Adds the products of R rows from `row` on and N vectors over all of k to sums in registers. Three rows by strides
// share a pointer, so that all addresses fit the general registers. For every k one line at `ahead` (null: none), which
// advances as B does, is fetched into the second-level cache.
template <int R, int N, Left A, Right B>
inline void accumulate(const Tile& tile, int64_t row, Vec (&sums)[R][N], const float* ahead = nullptr) {
  constexpr bool kPacked = A == Left::packed;
  constexpr int kShared = kPacked ? R : 3;
  const int64_t a_row = kPacked ? 1 : tile.a_row, a_k = kPacked ? R : tile.a_k;
  const float* a[(R + kShared - 1) / kShared];
#pragma GCC unroll 6
  for (int i = 0; i < R; i += kShared) {
    a[i / kShared] = tile.a + (kPacked ? row * tile.packed_k + tile.first_k * R : (row + i) * a_row);
  }
  const float* b[N];
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) b[j] = tile.b + tile.source[j];
  const int64_t ldb = tile.ldb;
  const int64_t* offsets = tile.offsets;
  int64_t offset = 0;
  const int64_t ahead_step = ahead == nullptr ? 0 : ldb;
  if (ahead == nullptr) ahead = b[0];
  for (int64_t k = tile.k; k > 0; --k) {
    if (A == Left::strided) {
      prefetch(ahead);
      ahead += ahead_step;
    }
    if (B == Right::offsets) offset = *offsets++;
    Vec columns[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) columns[j] = load(b[j] + offset);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const Vec left = set1(a[i / kShared][i % kShared * a_row]);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sums[i][j] = fmadd(left, columns[j], sums[i][j]);
    }
#pragma GCC unroll 6
    for (int i = 0; i < R; i += kShared) a[i / kShared] += a_k;
    if (B == Right::steps) offset += ldb;
  }
}

// The same for packed A and planes that are read where they lie: for every plane, every tap. Where kMasksTaps.
template <int R, int N>
inline void accumulate_taps(const Tile& tile, int64_t row, Vec (&sums)[R][N]) {
  const float* a = tile.a + row * tile.packed_k;
  const float* b[N];
  const uint16_t* masks[N];
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) {
    b[j] = tile.b + tile.source[j];
    masks[j] = tile.masks[j];
  }
  const int64_t step = tile.ldb, taps = tile.taps;
  const int64_t* const offsets = tile.offsets;
  for (int64_t planes = tile.k; planes > 0; planes -= taps) {
    for (int64_t t = 0; t < taps; ++t, a += R) {
      const int64_t offset = offsets[t];
      Vec columns[N];
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) columns[j] = load_masked(b[j] + offset, mask_of_bits(masks[j][t]));
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i) {
        const Vec left = set1(a[i]);
#pragma GCC unroll 4
        for (int j = 0; j < N; ++j) sums[i][j] = fmadd(left, columns[j], sums[i][j]);
      }
    }
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) b[j] += step;
  }
}

// What sums begin with: those in C, or a bias.
template <int R, int N>
inline void begin_sums(const Tile& tile, int64_t row, const float* c, Vec (&sums)[R][N]) {
  if (tile.add) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i) sums[i][j] = load_upto(c + tile.target[j] + i * tile.ldc, tile.count[j]);
    }
  } else if (tile.column_bias != nullptr) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      const Vec bias = load(tile.column_bias + j * kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i) sums[i][j] = bias;
    }
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const Vec bias = tile.row_bias != nullptr ? set1(tile.row_bias[row + i]) : set1(0.0F);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sums[i][j] = bias;
    }
  }
}

template <int R, int N>
inline void add_to_sums(const Tile& tile, const float* residual, Vec (&sums)[R][N]) {
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      sums[i][j] = add(sums[i][j], load_upto(residual + tile.target[j] + i * tile.ldc, tile.count[j]));
    }
  }
}

// R rows from `row` on by N vectors. Not inlined: in one large function GCC 12 keeps some tiles' sums in memory.
template <int R, int N, Left A, Right B>
__attribute__((noinline)) void run_tile(const Tile& tile, const VecEpilogue& finish, int64_t row, const float* ahead) {
  Vec sums[R][N];
  const int64_t ldc = tile.ldc;  // stores of vectors may alias anything, so this is read once
  float* c = tile.c + row * ldc;
  begin_sums<R, N>(tile, row, c, sums);
  if constexpr (B == Right::taps) {
    accumulate_taps<R, N>(tile, row, sums);
    if (tile.residual != nullptr) add_to_sums<R, N>(tile, tile.residual + row * ldc, sums);
  } else {
    accumulate<R, N, A, B>(tile, row, sums, ahead);
  }
  if (!finish.empty()) {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sums[i][j] = finish(sums[i][j]);
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) {
    float* to = c + tile.target[j];
    const int count = tile.count[j];
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) store_upto(to + i * ldc, sums[i][j], count);
  }
}

// Adds the residual of rows that were just stored, in the first-level cache: beside sums that are not very short this
// costs nothing, and no tile needs code of its own for it (measured: docs/kernels.md).
__attribute__((noinline)) void add_residual(const Tile& tile, int64_t row, int rows) {
  const VecEpilogue finish(*tile.epilogue);
  for (int64_t at = row * tile.ldc; rows > 0; --rows, at += tile.ldc) {
    for (int j = 0; j < tile.vectors; ++j) {
      const int64_t to = at + tile.target[j];
      const int count = tile.count[j];
      store_upto(tile.c + to, finish(add(load_upto(tile.c + to, count), load_upto(tile.residual + to, count))), count);
    }
  }
}

template <int R, int N, Left A, Right B>
inline void run_some_rows(const Tile& tile, const VecEpilogue& finish, int64_t row, int rows, const float* ahead) {
  if (rows == R) return run_tile<R, N, A, B>(tile, finish, row, ahead);
  if constexpr (R > 1) run_some_rows<R - 1, N, A, B>(tile, finish, row, rows, ahead);
}

// All rows, in groups of nearly equal size (packing.h: for_even_runs).
template <int N, Left A, Right B>
void run_rows(const Tile& tile, const VecEpilogue& finish) {
  constexpr int kMost = A == Left::packed ? kPackedRows : rows_beside(N);
  int64_t groups = (tile.rows + kMost - 1) / kMost;
  int64_t fetched = 0;  // lines of the next panel
  for (int64_t row = 0; groups > 0; --groups, ++fetched) {
    const auto rows = static_cast<int>((tile.rows - row + groups - 1) / groups);
    const float* ahead = tile.next != nullptr && fetched < N ? tile.next + fetched * kLanes : nullptr;
    run_some_rows<kMost, N, A, B>(tile, finish, row, rows, ahead);
    if (B != Right::taps && tile.residual != nullptr) add_residual(tile, row, rows);
    row += rows;
  }
}

template <int N, Left A, Right B>
void run_vectors(const Tile& tile, const VecEpilogue& finish) {
  if (tile.vectors == N) return run_rows<N, A, B>(tile, finish);
  if constexpr (N > 1) run_vectors<N - 1, A, B>(tile, finish);
}

void gemm_tile(const Tile& tile) {
  if constexpr (kMasksTaps) {
    if (tile.taps > 0) {
      return run_vectors<kPackedVectors, Left::packed, Right::taps>(tile, VecEpilogue(*tile.epilogue));
    }
  }
  const VecEpilogue finish(tile.residual == nullptr ? *tile.epilogue : Epilogue());
  if (tile.packed_k == 0) return run_vectors<kTileVectors, Left::strided, Right::steps>(tile, finish);
  if (tile.offsets == nullptr) return run_vectors<kPackedVectors, Left::packed, Right::steps>(tile, finish);
  run_vectors<kPackedVectors, Left::packed, Right::offsets>(tile, finish);
}

void pack_panel(const float* source, const int64_t* offsets, int64_t k, const Segment* segments, int count,
                float* panel, int columns) {
  for (int64_t row = 0; row < k; ++row) {
    const float* from = source + offsets[row];
    float* to = panel + row * columns;
    int at = 0;
    for (int s = 0; s < count; ++s) {
      const float* run = from + segments[s].source;
      const int length = segments[s].length;
      at = segments[s].column;
      // Whole vectors are stored; what lies beyond a segment is overwritten by the next one.
      if (length <= kHalf) {
        copy_half(to + at, run, length);
      } else {
        for (int i = 0; i < length; i += kLanes) {
          store(to + at + i, load_upto(run + i, length - i < kLanes ? length - i : kLanes));
        }
      }
      at += length;
    }
    for (; at < columns; at += kLanes) store(to + at, set1(0.0F));
  }
}

}  // namespace
