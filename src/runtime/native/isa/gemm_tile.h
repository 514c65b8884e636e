// SPDX-License-Identifier: Apache-2.0
// The register-blocked inner product of convolutions and matrix products.
#pragma once

#include "runtime/native/isa/epilogue.h"

namespace {

using edgesmith::runtime::native::kTileVectors;
using edgesmith::runtime::native::Segment;
using edgesmith::runtime::native::Tile;

constexpr int kTileColumns = kTileVectors * kLanes;

// Sums of M rows by N vectors over all of k, in registers.
template <int M, int N, bool Indirect>
void run_tile(const Tile& tile) {
  Vec sums[M][N];
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      sums[i][j] = set1(tile.row_bias != nullptr ? tile.row_bias[i] : 0.0F);
    }
  }
  if (tile.column_bias != nullptr) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      const Vec bias = load(tile.column_bias + j * kLanes);
#pragma GCC unroll 8
      for (int i = 0; i < M; ++i) sums[i][j] = bias;
    }
  }
  const float* a = tile.a;
  const float* b[N];
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) b[j] = tile.b + tile.source[j];
  int64_t offset = 0;
  for (int64_t k = 0; k < tile.k; ++k) {
    if (Indirect) offset = tile.offsets[k];
    Vec columns[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) columns[j] = load(b[j] + offset);
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) {
      const Vec weight = set1(a[i]);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sums[i][j] = fmadd(weight, columns[j], sums[i][j]);
    }
    a += kTileRows;
    if (!Indirect) offset += tile.ldb;
  }
  const VecEpilogue finish(*tile.epilogue);
  if (!tile.epilogue->empty()) {
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) {
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sums[i][j] = finish(sums[i][j]);
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) {
    float* c = tile.c + tile.target[j];
    const int count = tile.count[j];
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) store_upto(c + i * tile.ldc, sums[i][j], count);
  }
}

template <int M, int N>
void run_rows_vectors(const Tile& tile) {
  tile.offsets != nullptr ? run_tile<M, N, true>(tile) : run_tile<M, N, false>(tile);
}

template <int M>
void run_rows(const Tile& tile) {
  if (tile.vectors == 1) {
    run_rows_vectors<M, 1>(tile);
  } else if (tile.vectors == 2) {
    run_rows_vectors<M, 2>(tile);
  } else {
    run_rows_vectors<M, 3>(tile);
  }
}

void gemm_tile(const Tile& tile) {
  static_assert(kTileVectors == 3);
  switch (tile.m) {
    case 1: return run_rows<1>(tile);
    case 2: return run_rows<2>(tile);
    case 3: return run_rows<3>(tile);
    case 4: return run_rows<4>(tile);
    case 5: return run_rows < kTileRows < 5 ? 1 : 5 > (tile);
    case 6: return run_rows < kTileRows < 6 ? 1 : 6 > (tile);
    case 7: return run_rows < kTileRows < 7 ? 1 : 7 > (tile);
    case 8: return run_rows < kTileRows < 8 ? 1 : 8 > (tile);
  }
}

void pack_panel(const float* source, const int64_t* offsets, int64_t k, const Segment* segments, int count,
                float* panel) {
  for (int64_t row = 0; row < k; ++row) {
    const float* from = source + offsets[row];
    float* to = panel + row * kTileColumns;
    int at = 0;
    for (int s = 0; s < count; ++s) {
      const float* run = from + segments[s].source;
      const int length = segments[s].length;
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
    for (; at < kTileColumns; at += kLanes) store(to + at, set1(0.0F));
  }
}

}  // namespace
