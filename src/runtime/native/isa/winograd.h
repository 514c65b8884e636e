// SPDX-License-Identifier: Apache-2.0
// The inner loops of Winograd's F(4x4, 3x3) and F(4x4, 5x5); native/winograd_conv_f32.cc says how they are used.
// Vectors lie across channels, so every function gives the same bits on every instruction set.
#pragma once

#include "runtime/native/isa/gemm_tile.h"
#include "runtime/native/isa/winograd_points.h"

namespace {

using edgesmith::runtime::native::BlockedRows;
using edgesmith::runtime::native::WinogradImage;
using edgesmith::runtime::native::WinogradSums;
using edgesmith::runtime::native::WinogradTiles;
using edgesmith::runtime::native::WinogradWeights;

// A transform along both axes: kIn x kIn vectors, given by load_at(y, x), to kOut x kOut, taken by store_at(y, x, v).
template <int kIn, int kOut, void (*kTransform)(const Vec*, int, Vec*, int), typename Load, typename Store>
inline __attribute__((always_inline)) void transform_square(const Load& load_at, const Store& store_at) {
  Vec half[kOut * kIn];
#pragma GCC unroll 8
  for (int x = 0; x < kIn; ++x) {
    Vec column[kIn];
#pragma GCC unroll 8
    for (int y = 0; y < kIn; ++y) column[y] = load_at(y, x);
    kTransform(column, 1, half + x, kIn);
  }
#pragma GCC unroll 8
  for (int y = 0; y < kOut; ++y) {
    Vec row[kOut];
    kTransform(half + y * kIn, 1, row, 1);
#pragma GCC unroll 8
    for (int x = 0; x < kOut; ++x) store_at(y, x, row[x]);
  }
}

template <int kTaps>
void winograd_weights(const WinogradWeights& w) {
  using Points = WinogradPoints<kTaps>;
  constexpr int kEdge = Points::kCount;
  int64_t vectors = w.padded_out / kLanes, panels = (vectors + kTileVectors - 1) / kTileVectors;
  const float* taps = w.taps;
  float* panel = w.points;
  for (; panels > 0; --panels) {  // as pack_columns() cuts them
    const int64_t count = (vectors + panels - 1) / panels;
    for (int64_t c = 0; c < w.channels; ++c) {
      for (int64_t j = 0; j < count; ++j) {
        const float* first = taps + c * kTaps * kTaps * w.padded_out + j * kLanes;
        float* out = panel + (c * count + j) * kLanes;
        transform_square<kTaps, kEdge, Points::taps>(
            [&](int y, int x) { return load(first + (y * kTaps + x) * w.padded_out); },
            [&](int y, int x, Vec v) { store(out + (y * kEdge + x) * w.channels * w.padded_out, v); });
      }
    }
    taps += count * kLanes;
    panel += count * kLanes * w.channels;
    vectors -= count;
  }
}

void block_rows(const BlockedRows& r) {
  const Vec zero = set1(0);
  const int64_t row = r.pitch * kLanes;
  for (int64_t first = 0; first < r.channels; first += kLanes) {
    float* out = r.out + first * r.rows * r.pitch;
    const int64_t begin = r.first < 0 ? 0 : r.first;
    const int64_t end = r.first + r.rows < r.height ? r.first + r.rows : r.height;
    for (int64_t y = 0; y < r.rows; ++y) {  // the padding
      const bool inside = r.first + y >= begin && r.first + y < end;
      float* to = out + y * row;
      for (int64_t x = 0; x < (inside ? r.pad_left : r.pitch); ++x) store(to + x * kLanes, zero);
      for (int64_t x = r.pad_left + r.width; inside && x < r.pitch; ++x) store(to + x * kLanes, zero);
    }
    // The rows between are one run of pixels: kLanes of them at a time, turned so that channels lie side by side.
    const int channels = r.channels - first < kLanes ? static_cast<int>(r.channels - first) : kLanes;
    const float* in = r.in + first * r.height * r.width + begin * r.width;
    const int64_t pixels = end > begin ? (end - begin) * r.width : 0, plane = r.height * r.width;
    float* to = out + ((begin - r.first) * r.pitch + r.pad_left) * kLanes;
    int64_t x = 0;
    for (int64_t p = 0; p < pixels; p += kLanes) {
      const int count = pixels - p < kLanes ? static_cast<int>(pixels - p) : kLanes;
      Vec v[kLanes];
      for (int c = 0; c < kLanes; ++c) v[c] = c < channels ? load_upto(in + c * plane + p, count) : zero;
      transpose(v);
      for (int i = 0; i < count; ++i) {
        store(to, v[i]);
        to += kLanes;
        if (++x == r.width) {
          x = 0;
          to += (r.pitch - r.width) * kLanes;
        }
      }
    }
  }
}

// Tiles of kIn x kIn numbers of the blocked rows, four apart, to `transformed`.
template <int kIn, int kEdge, void (*kTransform)(const Vec*, int, Vec*, int)>
inline void transform_tiles(const WinogradTiles& t) {
  for (int64_t c = 0; c < t.channels; c += kLanes) {
    const float* in = t.blocked + c * t.rows * t.pitch;
    for (int64_t tile = 0; tile < t.tiles_y * t.tiles_x; ++tile) {
      const float* corner = in + (tile / t.tiles_x * 4 * t.pitch + tile % t.tiles_x * 4) * kLanes;
      float* out = t.transformed + tile * t.transformed_step + c;
      transform_square<kIn, kEdge, kTransform>(
          [&](int y, int x) { return load(corner + (y * t.pitch + x) * kLanes); },
          [&](int y, int x, Vec v) { store(out + (y * kEdge + x) * t.channels, v); });
    }
  }
}

template <int kTaps>
void winograd_input(const WinogradTiles& t) {
  using Points = WinogradPoints<kTaps>;
  transform_tiles<Points::kCount, Points::kCount, Points::input>(t);
}

template <int kTaps>
void winograd_gradient(const WinogradTiles& t) {
  using Points = WinogradPoints<kTaps>;
  transform_tiles<4, Points::kCount, Points::spread>(t);
}

// The columns that a tile shares with the next one stay in `carry`, so that every number is stored once a row of tiles.
template <int kTaps>
void winograd_image(const WinogradImage& w) {
  using Points = WinogradPoints<kTaps>;
  constexpr int kEdge = Points::kCount, kHalo = kTaps - 1;
  for (int64_t c = 0; c < w.channels; c += kLanes) {
    const Vec bias = load(w.bias + c);
    for (int64_t ty = 0; ty < w.tiles_y; ++ty) {
      const float* in = w.products + ty * w.tiles_x * w.step + c;
      float* corner = w.image + c * w.rows * w.pitch + ty * 4 * w.pitch * kLanes;
      const auto put = [&](int y, int x, Vec v) {  // the rows of the tiles above are there
        float* to = corner + (y * w.pitch + x) * kLanes;
        store(to, add(y < kHalo ? load(to) : bias, v));
      };
      Vec carry[kEdge * kHalo];
#pragma GCC unroll 32
      for (int i = 0; i < kEdge * kHalo; ++i) carry[i] = set1(0);
      for (int64_t tx = 0; tx < w.tiles_x; ++tx) {
        transform_square<kEdge, kEdge, Points::image>(
            [&](int y, int x) { return load(in + (y * kEdge + x) * w.channels); },
            [&](int y, int x, Vec v) {
              if (x < kHalo) v = add(carry[y * kHalo + x], v);
              if (x < 4) {
                put(y, x, v);
              } else {
                carry[y * kHalo + x - 4] = v;
              }
            });
        in += w.step;
        corner += 4 * kLanes;
      }
#pragma GCC unroll 8
      for (int y = 0; y < kEdge; ++y) {
#pragma GCC unroll 4
        for (int x = 0; x < kHalo; ++x) put(y, x, carry[y * kHalo + x]);
      }
    }
  }
}

template <int kTaps>
void winograd_sums(const WinogradSums& w) {
  using Points = WinogradPoints<kTaps>;
  constexpr int kEdge = Points::kCount;
  const int64_t matrix = w.features * w.padded;
  for (int64_t m = 0; m < w.features; ++m) {
    for (int64_t c = 0; c < w.padded; c += kLanes) {
      const float* in = w.sums + m * w.padded + c;
      float* out = w.taps + m * kTaps * kTaps * w.padded + c;
      transform_square<kEdge, kTaps, Points::gather>(
          [&](int y, int x) { return load(in + (y * kEdge + x) * matrix); },
          [&](int y, int x, Vec v) { store(out + (y * kTaps + x) * w.padded, v); });
    }
  }
}

// The products at one point: R tiles by N vectors of output channels, without what a product of a Gemm may need beside.
// Not inlined: in one large function GCC 12 keeps some tiles' sums in memory.
template <int R, int N>
__attribute__((noinline)) void winograd_tile(const Tile& product, int64_t row) {
  Vec sums[R][N];
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) sums[i][j] = set1(0);
  }
  accumulate<R, N, Left::strided, Right::steps>(product, row, sums);
  const int64_t ldc = product.ldc;  // stores of vectors may alias anything, so this is read once
  float* c = product.c + row * ldc;
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) store(c + i * ldc + j * kLanes, sums[i][j]);
  }
}

template <int R, int N>
inline void winograd_rows_of(const Tile& product, int64_t row, int rows) {
  if (rows == R) return winograd_tile<R, N>(product, row);
  if constexpr (R > 1) winograd_rows_of<R - 1, N>(product, row, rows);
}

template <int N>
void winograd_rows(const Tile& product) {
  constexpr int kMost = rows_beside(N);
  int64_t groups = (product.rows + kMost - 1) / kMost;
  for (int64_t row = 0; groups > 0; --groups) {
    const auto rows = static_cast<int>((product.rows - row + groups - 1) / groups);
    winograd_rows_of<kMost, N>(product, row, rows);
    row += rows;
  }
}

template <int N>
inline void winograd_vectors(const Tile& product, int64_t vectors) {
  if (vectors == N) return winograd_rows<N>(product);
  if constexpr (N > 1) winograd_vectors<N - 1>(product, vectors);
}

void winograd_multiply(const WinogradTiles& t) {
  Tile product = {};
  product.a_row = t.transformed_step;
  product.a_k = 1;
  product.rows = t.tiles_y * t.tiles_x;
  product.k = t.products_of;
  product.ldc = t.product_step;
  for (int j = 0; j < kTileVectors; ++j) product.source[j] = j * kLanes;
  product.b = t.weights;
  for (int64_t point = 0; point < t.points; ++point) {
    product.a = t.transformed + point * t.channels;
    product.c = t.products + point * t.padded_out;
    int64_t vectors = t.padded_out / kLanes, panels = (vectors + kTileVectors - 1) / kTileVectors;
    for (; panels > 0; --panels) {  // as pack_columns() cuts them
      const int64_t count = (vectors + panels - 1) / panels;
      product.ldb = count * kLanes;
      winograd_vectors<kTileVectors>(product, count);
      product.b += product.ldb * product.k;
      product.c += product.ldb;
      vectors -= count;
    }
  }
}

// Tiles side by side whose outputs are gathered before they go to the planes. Planes often lie a multiple of a page
// apart, where 16 of them evict each other from the first-level cache: so each is written once, in long runs.
constexpr int kStripTiles = 8, kStripWidth = 4 * kStripTiles;

// Puts 4x4 pixels of kLanes channels into strip[channel][4][width], from column `x` on.
inline void gather_tile(Vec* pixels, int64_t x, int64_t width, float* strip) {
  float turned[kLanes * 16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += kLanes) {
    transpose(pixels + i);
#pragma GCC unroll 16
    for (int c = 0; c < kLanes; ++c) store(turned + c * 16 + i, pixels[i + c]);
  }
  for (int c = 0; c < kLanes; ++c) {
#pragma GCC unroll 4
    for (int y = 0; y < 4; ++y) {
      __builtin_memcpy(strip + (c * 4 + y) * width + x, turned + c * 16 + y * 4, 16);
    }
  }
}

// Stores a strip of `width` pixels that begins at row y0, column x0, as far as it lies inside the planes.
inline void store_strip(const WinogradTiles& t, const VecEpilogue& finish, const float* strip, int64_t y0, int64_t x0,
                        int64_t first, int64_t width) {
  int64_t rows = t.out_rows - y0 < 4 ? t.out_rows - y0 : 4;
  int64_t inside = t.out_width - x0 < width ? t.out_width - x0 : width;
  if (width == t.out_width) {  // rows are neighbours
    inside = rows * width;
    rows = 1;
  }
  const int64_t channels = t.out_channels - first < kLanes ? t.out_channels - first : kLanes;
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t y = 0; y < rows; ++y) {
      const int64_t at = (first + c) * t.out_plane + (y0 + y) * t.out_width + x0;
      const float* from = strip + (c * 4 + y) * width;
      for_vectors(inside, [&](int64_t i, int n) {
        Vec v = load(from + i);
        if (t.residual != nullptr) v = add(v, load_upto(t.residual + at + i, n));
        store_upto(t.out + at + i, finish(v), n);
      });
    }
  }
}

template <int kTaps>
void winograd_output(const WinogradTiles& t) {
  using Points = WinogradPoints<kTaps>;
  constexpr int kEdge = Points::kCount;
  const VecEpilogue finish(*t.epilogue);
  float strip[kLanes * 4 * kStripWidth + kLanes];
  for (int64_t tile = 0, count; tile < t.tiles_y * t.tiles_x; tile += count) {
    const int64_t x0 = tile % t.tiles_x, left = t.tiles_x - x0;
    count = left < kStripTiles ? left : kStripTiles;
    for (int64_t c = 0; c < t.out_channels; c += kLanes) {
      const Vec bias = load(t.bias + c);
      for (int64_t i = 0; i < count; ++i) {
        const float* in = t.products + (tile + i) * t.product_step + c;
        Vec pixels[16];
        transform_square<kEdge, 4, Points::output>(
            [&](int y, int x) { return load(in + (y * kEdge + x) * t.padded_out); },
            [&](int y, int x, Vec v) { pixels[y * 4 + x] = add(v, bias); });
        gather_tile(pixels, 4 * i, 4 * count, strip);
      }
      store_strip(t, finish, strip, tile / t.tiles_x * 4, 4 * x0, c, 4 * count);
    }
  }
}

}  // namespace
