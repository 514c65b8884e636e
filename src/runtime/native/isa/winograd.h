// SPDX-License-Identifier: Apache-2.0
// The transforms of Winograd's F(4x4, 3x3); native/winograd_conv_f32.cc says how they are used. Vectors lie across
// channels, so every function gives the same bits on every instruction set.
#pragma once

#include "runtime/native/isa/gemm_tile.h"

namespace {

using edgesmith::runtime::native::BlockedRows;
using edgesmith::runtime::native::WinogradSums;
using edgesmith::runtime::native::WinogradTiles;
using edgesmith::runtime::native::WinogradWeights;

// Six numbers to six: B^T of points 0, 1, -1, 2, -2 and infinity.
inline void winograd_in(const Vec* d, int step, Vec* out, int out_step) {
  const Vec four = set1(4), minus_four = set1(-4), minus_five = set1(-5), two = set1(2);
  const Vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
  const Vec a = fmadd(minus_four, d2, d4), b = fmadd(minus_four, d1, d3);
  const Vec c = sub(d4, d2), e = mul(two, sub(d3, d1));
  out[0] = fmadd(four, d0, fmadd(minus_five, d2, d4));
  out[out_step] = add(a, b);
  out[2 * out_step] = sub(a, b);
  out[3 * out_step] = add(c, e);
  out[4 * out_step] = sub(c, e);
  out[5 * out_step] = fmadd(four, d1, fmadd(minus_five, d3, d5));
}

// Six numbers to four: A^T.
inline void winograd_out(const Vec* m, int step, Vec* out, int out_step) {
  const Vec two = set1(2), four = set1(4), eight = set1(8);
  const Vec s1 = add(m[step], m[2 * step]), d1 = sub(m[step], m[2 * step]);
  const Vec s2 = add(m[3 * step], m[4 * step]), d2 = sub(m[3 * step], m[4 * step]);
  out[0] = add(add(m[0], s1), s2);
  out[out_step] = fmadd(two, d2, d1);
  out[2 * out_step] = fmadd(four, s2, s1);
  out[3 * out_step] = add(fmadd(eight, d2, d1), m[5 * step]);
}

// Three numbers to six: G.
inline void winograd_weight(Vec a, Vec b, Vec c, Vec* out, int out_step) {
  const Vec sum = add(a, c), minus_sixth = set1(-1.0F / 6), even = fmadd(a, set1(1.0F / 24), mul(c, set1(1.0F / 6)));
  const Vec odd = mul(b, set1(1.0F / 12));
  out[0] = mul(a, set1(0.25F));
  out[out_step] = mul(add(sum, b), minus_sixth);
  out[2 * out_step] = mul(sub(sum, b), minus_sixth);
  out[3 * out_step] = add(even, odd);
  out[4 * out_step] = sub(even, odd);
  out[5 * out_step] = c;
}

void winograd_weights(const WinogradWeights& w) {
  int64_t vectors = w.padded_out / kLanes, panels = (vectors + kTileVectors - 1) / kTileVectors;
  const float* taps = w.taps;
  float* panel = w.points;
  for (; panels > 0; --panels) {  // as pack_columns() cuts them
    const int64_t count = (vectors + panels - 1) / panels;
    for (int64_t c = 0; c < w.channels; ++c) {
      for (int64_t j = 0; j < count; ++j) {
        const float* first = taps + (c * 9 + (w.turned ? 8 : 0)) * w.padded_out + j * kLanes;
        const int64_t step = w.turned ? -w.padded_out : w.padded_out;
        Vec half[18];
#pragma GCC unroll 3
        for (int x = 0; x < 3; ++x) {
          winograd_weight(load(first + x * step), load(first + (3 + x) * step), load(first + (6 + x) * step), half + x,
                          3);
        }
        float* out = panel + (c * count + j) * kLanes;
#pragma GCC unroll 6
        for (int y = 0; y < 6; ++y) {
          Vec row[6];
          winograd_weight(half[y * 3], half[y * 3 + 1], half[y * 3 + 2], row, 1);
#pragma GCC unroll 6
          for (int x = 0; x < 6; ++x) store(out + (y * 6 + x) * w.channels * w.padded_out, row[x]);
        }
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

void winograd_input(const WinogradTiles& t) {
  for (int64_t c = 0; c < t.channels; c += kLanes) {
    const float* in = t.blocked + c * t.rows * t.pitch;
    for (int64_t tile = 0; tile < t.tiles_y * t.tiles_x; ++tile) {
      const float* corner = in + (tile / t.tiles_x * 4 * t.pitch + tile % t.tiles_x * 4) * kLanes;
      Vec half[36];
#pragma GCC unroll 6
      for (int x = 0; x < 6; ++x) {
        Vec column[6];
#pragma GCC unroll 6
        for (int y = 0; y < 6; ++y) column[y] = load(corner + (y * t.pitch + x) * kLanes);
        winograd_in(column, 1, half + x, 6);
      }
      float* out = t.transformed + tile * 36 * t.channels + c;
#pragma GCC unroll 6
      for (int y = 0; y < 6; ++y) {
        Vec row[6];
        winograd_in(half + y * 6, 1, row, 1);
#pragma GCC unroll 6
        for (int x = 0; x < 6; ++x) store(out + (y * 6 + x) * t.channels, row[x]);
      }
    }
  }
}

// Four numbers to six: A.
inline void winograd_spread(const Vec* d, int step, Vec* out, int out_step) {
  const Vec two = set1(2), four = set1(4);
  const Vec even = add(d[0], d[2 * step]), odd = add(d[step], d[3 * step]);
  const Vec even_twice = fmadd(four, d[2 * step], d[0]);
  const Vec odd_twice = mul(two, fmadd(four, d[3 * step], d[step]));
  out[0] = d[0];
  out[out_step] = add(even, odd);
  out[2 * out_step] = sub(even, odd);
  out[3 * out_step] = add(even_twice, odd_twice);
  out[4 * out_step] = sub(even_twice, odd_twice);
  out[5 * out_step] = d[3 * step];
}

void winograd_gradient(const WinogradTiles& t) {
  for (int64_t c = 0; c < t.channels; c += kLanes) {
    const float* in = t.blocked + c * t.rows * t.pitch;
    for (int64_t tile = 0; tile < t.tiles_y * t.tiles_x; ++tile) {
      const float* corner = in + (tile / t.tiles_x * 4 * t.pitch + tile % t.tiles_x * 4) * kLanes;
      Vec half[24];
#pragma GCC unroll 4
      for (int x = 0; x < 4; ++x) {
        Vec column[4];
#pragma GCC unroll 4
        for (int y = 0; y < 4; ++y) column[y] = load(corner + (y * t.pitch + x) * kLanes);
        winograd_spread(column, 1, half + x, 4);
      }
      float* out = t.transformed + tile * 36 * t.channels + c;
#pragma GCC unroll 6
      for (int y = 0; y < 6; ++y) {
        Vec row[6];
        winograd_spread(half + y * 4, 1, row, 1);
#pragma GCC unroll 6
        for (int x = 0; x < 6; ++x) store(out + (y * 6 + x) * t.channels, row[x]);
      }
    }
  }
}

// Six numbers to three: G^T.
inline void winograd_gather(const Vec* s, int step, Vec* out, int out_step) {
  const Vec near = add(s[step], s[2 * step]), far = add(s[3 * step], s[4 * step]);
  const Vec near_apart = sub(s[2 * step], s[step]), far_apart = sub(s[3 * step], s[4 * step]);
  const Vec sixth = set1(1.0F / 6);
  out[0] = fmadd(far, set1(1.0F / 24), fmadd(near, set1(-1.0F / 6), mul(s[0], set1(0.25F))));
  out[out_step] = fmadd(far_apart, set1(1.0F / 12), mul(near_apart, sixth));
  out[2 * out_step] = fmadd(sub(far, near), sixth, s[5 * step]);
}

void winograd_sums(const WinogradSums& w) {
  const int64_t matrix = w.features * w.padded;
  for (int64_t m = 0; m < w.features; ++m) {
    for (int64_t c = 0; c < w.padded; c += kLanes) {
      const float* in = w.sums + m * w.padded + c;
      Vec half[18];
#pragma GCC unroll 6
      for (int x = 0; x < 6; ++x) {
        Vec column[6];
#pragma GCC unroll 6
        for (int y = 0; y < 6; ++y) column[y] = load(in + (y * 6 + x) * matrix);
        winograd_gather(column, 1, half + x, 6);
      }
      float* out = w.taps + m * 9 * w.padded + c;
#pragma GCC unroll 3
      for (int y = 0; y < 3; ++y) {
        Vec row[3];
        winograd_gather(half + y * 6, 1, row, 1);
#pragma GCC unroll 3
        for (int x = 0; x < 3; ++x) store(out + (y * 3 + x) * w.padded, row[x]);
      }
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
  accumulate<R, N, Left::strided, false>(product, row, sums);
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
  product.a_row = 36 * t.channels;
  product.a_k = 1;
  product.rows = t.tiles_y * t.tiles_x;
  product.k = t.products_of;
  product.ldc = 36 * t.padded_out;
  for (int j = 0; j < kTileVectors; ++j) product.source[j] = j * kLanes;
  product.b = t.weights;
  for (int64_t point = 0; point < 36; ++point) {
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

void winograd_output(const WinogradTiles& t) {
  const VecEpilogue finish(*t.epilogue);
  float strip[kLanes * 4 * kStripWidth + kLanes];
  for (int64_t tile = 0, count; tile < t.tiles_y * t.tiles_x; tile += count) {
    const int64_t x0 = tile % t.tiles_x, left = t.tiles_x - x0;
    count = left < kStripTiles ? left : kStripTiles;
    for (int64_t c = 0; c < t.out_channels; c += kLanes) {
      const Vec bias = load(t.bias + c);
      for (int64_t i = 0; i < count; ++i) {
        const float* in = t.products + (tile + i) * 36 * t.padded_out + c;
        Vec half[24];
#pragma GCC unroll 6
        for (int x = 0; x < 6; ++x) {
          Vec column[6];
#pragma GCC unroll 6
          for (int y = 0; y < 6; ++y) column[y] = load(in + (y * 6 + x) * t.padded_out);
          winograd_out(column, 1, half + x, 6);
        }
        Vec pixels[16];
#pragma GCC unroll 4
        for (int y = 0; y < 4; ++y) {
          winograd_out(half + y * 6, 1, pixels + y * 4, 1);
#pragma GCC unroll 4
          for (int x = 0; x < 4; ++x) pixels[y * 4 + x] = add(pixels[y * 4 + x], bias);
        }
        gather_tile(pixels, 4 * i, 4 * count, strip);
      }
      store_strip(t, finish, strip, tile / t.tiles_x * 4, 4 * x0, c, 4 * count);
    }
  }
}

}  // namespace
