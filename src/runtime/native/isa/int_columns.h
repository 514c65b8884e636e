// SPDX-License-Identifier: Apache-2.0
// Depthwise windows over interleaved rows: a group holds four rows of one column of one channel, so that windows that
// move along a row read what was interleaved once (native/depthwise_columns.h).
#pragma once

#include "runtime/native/isa/int_depthwise.h"

namespace {

using edgesmith::runtime::native::IntColumns;
using edgesmith::runtime::native::IntColumnWindows;

constexpr int64_t kColumnBytes = 4 * kIntLanes;  // of one group in every lane

// out[v] lane l: the four bytes p[0..3][v * kIntLanes + l], for the first Pieces of four vectors.
template <int Pieces>
inline void interleave_in_order(const uint8_t* const (&p)[4], Ints (&out)[4]) {
#if defined(EDGESMITH_PORTABLE_LANES)
  for (int v = 0; v < Pieces; ++v) {
    for (int lane = 0; lane < kIntLanes; ++lane) {
      const int at = v * kIntLanes + lane;
      const uint32_t group = p[0][at] | static_cast<uint32_t>(p[1][at]) << 8 | static_cast<uint32_t>(p[2][at]) << 16 |
                             static_cast<uint32_t>(p[3][at]) << 24;
      out[v][lane] = static_cast<int32_t>(group);
    }
  }
#elif defined(__ARM_NEON)
  interleave_bytes(p, out);
#elif defined(__AVX512F__)
  // 4 x 4 groups of 4 bytes are transposed across the lanes of 128 bits, then 4 x 4 bytes within each.
  const __m512i groups = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i bytes = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  const auto row = [&](int i, int v) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p[i] + v * 16)); };
#pragma GCC unroll 4
  for (int v = 0; v < Pieces; ++v) {
    __m512i rows = _mm512_castsi128_si512(row(0, v));
    rows = _mm512_mask_broadcast_i32x4(rows, 0x00f0, row(1, v));
    rows = _mm512_mask_broadcast_i32x4(rows, 0x0f00, row(2, v));
    rows = _mm512_mask_broadcast_i32x4(rows, 0xf000, row(3, v));
    out[v] = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(groups, rows), bytes);
  }
#else
  Ints mixed[4];
  interleave_bytes(p, mixed);
  out[0] = _mm256_permute2x128_si256(mixed[0], mixed[1], 0x20);
  out[1] = _mm256_permute2x128_si256(mixed[2], mixed[3], 0x20);
  out[2] = _mm256_permute2x128_si256(mixed[0], mixed[1], 0x31);
  out[3] = _mm256_permute2x128_si256(mixed[2], mixed[3], 0x31);
#endif
}

template <int Pieces>
void columns_of(const IntColumns& c) {
  const Ints flip = set_ints(static_cast<int32_t>(c.flip * 0x01010101U));
  const Ints padding = set_ints(static_cast<int32_t>(c.padding * 0x01010101U));
  const int64_t step = c.groups * kColumnBytes, piece_step = (c.before + c.pixels + c.after) * step;
  const auto pad = [&](int64_t first, int64_t count) {
    for (int v = 0; v < Pieces; ++v) {
      uint8_t* out = c.out + v * piece_step + first * step;
      for (uint8_t* const end = out + count * step; out != end; out += kColumnBytes) store_ints(out, padding);
    }
  };
  pad(0, c.before);
  pad(c.before + c.pixels, c.after);
  for (int64_t g = 0; g < c.groups; ++g) {
    const uint8_t* rows[4] = {c.rows[g * 4], c.rows[g * 4 + 1], c.rows[g * 4 + 2], c.rows[g * 4 + 3]};
    const int64_t steps[4] = {c.steps[g * 4], c.steps[g * 4 + 1], c.steps[g * 4 + 2], c.steps[g * 4 + 3]};
    uint8_t* out = c.out + c.before * step + g * kColumnBytes;
    for (uint8_t* const end = out + c.pixels * step; out != end; out += step) {
      Ints columns[4];
      interleave_in_order<Pieces>(rows, columns);
#pragma GCC unroll 4
      for (int v = 0; v < Pieces; ++v) store_ints(out + v * piece_step, xor_ints(columns[v], flip));
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) rows[i] += steps[i];
    }
  }
}

void int_columns(const IntColumns& c) {
  switch (c.pieces) {
    case 1: return columns_of<1>(c);
    case 2: return columns_of<2>(c);
    case 3: return columns_of<3>(c);
    default: return columns_of<4>(c);
  }
}

// Width, Groups and Stride: of a window, or 0 when they are known only while running.
template <int Width, int Groups, int Rows, int Stride>
void column_windows(const IntColumnWindows& d) {
  constexpr bool kFixed = Width != 0;
  const int64_t width = kFixed ? Width : d.kernel_width, groups = kFixed ? Groups : d.groups, count = d.count;
  const int64_t stride = (kFixed ? Stride : d.stride) * groups * kColumnBytes;
  const int64_t dilation = (kFixed ? 1 : d.dilation) * groups * kColumnBytes;
  const int64_t step = d.step, row_step = d.row_step;
  const VecCodes codes(d.store);
  const auto piece = [&](const uint8_t* columns, const uint8_t* packed_weights, const float* scales,
                         const int32_t* starts, uint8_t* out, int32_t* out_sums, int here) {
    const Ints start = load_ints(starts);
    const Reals scale = load_reals(scales);
    Ints weights[kFixed ? Width * Groups * Rows : 1];
    if constexpr (kFixed) {
      for (int i = 0; i < Width * Groups * Rows; ++i) weights[i] = load_ints(packed_weights + i * kColumnBytes);
    }
    // Four outputs of each row: those at `at`.
    const auto block = [&](const int64_t(&at)[4]) __attribute__((always_inline)) {
      Ints sums[Rows][4];
#pragma GCC unroll 2
      for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) sums[r][j] = start;
      }
#pragma GCC unroll 5
      for (int64_t kx = 0; kx < width; ++kx) {
#pragma GCC unroll 2
        for (int64_t g = 0; g < groups; ++g) {
          const uint8_t* column = columns + kx * dilation + g * kColumnBytes;
          Ints data[4];
#pragma GCC unroll 4
          for (int j = 0; j < 4; ++j) data[j] = load_ints(column + at[j] * stride);
#pragma GCC unroll 2
          for (int r = 0; r < Rows; ++r) {
            const int64_t i = (kx * groups + g) * Rows + r;
            const Ints w = kFixed ? weights[kFixed ? i : 0] : load_ints(packed_weights + i * kColumnBytes);
#pragma GCC unroll 4
            for (int j = 0; j < 4; ++j) sums[r][j] = dot_bytes(sums[r][j], data[j], w);
          }
        }
      }
      if (out_sums != nullptr) {
        for (int r = 0; r < Rows; ++r) {
          for (int j = 0; j < 4; ++j) {
            const Ints sum = sums[r][j];  // as in int_tile.h
            __builtin_memcpy(out_sums + (r * count + at[j]) * kIntLanes, &sum, sizeof(Ints));
          }
        }
        return;
      }
      // The first row comes last: it is the one that stays where both go to one place.
#pragma GCC unroll 2
      for (int r = Rows - 1; r >= 0; --r) {
        const auto packed = codes.pack(scaled(sums[r][0], scale), scaled(sums[r][1], scale), scaled(sums[r][2], scale),
                                       scaled(sums[r][3], scale));
        uint8_t* to = out + r * row_step;
        if (here == kIntLanes) {
          VecCodes::template store_piece<0>(to + at[0] * step, packed);
          VecCodes::template store_piece<1>(to + at[1] * step, packed);
          VecCodes::template store_piece<2>(to + at[2] * step, packed);
          VecCodes::template store_piece<3>(to + at[3] * step, packed);
        } else {
          uint8_t bytes[4 * kIntLanes];
          __builtin_memcpy(bytes, &packed, sizeof bytes);
          for (int j = 0; j < 4; ++j) copy_bytes(to + at[j] * step, bytes + j * kIntLanes, here);
        }
      }
    };
    if (count < 4) {
      const int64_t end = count - 1;
      block({0, end < 1 ? end : 1, end < 2 ? end : 2, end});
      return;
    }
    int64_t x = 0;
    for (; x + 4 <= count; x += 4) block({x, x + 1, x + 2, x + 3});
    // The rest again with what came before it.
    if (x < count) block({count - 4, count - 3, count - 2, count - 1});
  };
  for (int64_t channel = 0, p = 0; channel < d.channels; channel += kIntLanes, ++p) {
    const int64_t left = d.channels - channel;
    piece(d.columns + p * d.num_columns * groups * kColumnBytes, d.weights + p * width * groups * Rows * kColumnBytes,
          d.scale + channel, d.start + channel, d.out + channel,
          d.sums == nullptr ? nullptr : d.sums + p * Rows * count * kIntLanes,
          left < kIntLanes ? static_cast<int>(left) : kIntLanes);
  }
}

void int_column_windows(const IntColumnWindows& d) {
  const auto is = [&](int64_t width, int64_t groups, int64_t stride) {
    return d.kernel_width == width && d.groups == groups && d.stride == stride && d.dilation == 1;
  };
  if (d.rows == 2) {
    if (is(3, 1, 1)) return column_windows<3, 1, 2, 1>(d);
    if (is(5, 2, 1)) return column_windows<5, 2, 2, 1>(d);
    if (is(5, 2, 2)) return column_windows<5, 2, 2, 2>(d);
    return column_windows<0, 0, 2, 0>(d);
  }
  if (is(3, 1, 2)) return column_windows<3, 1, 1, 2>(d);
  column_windows<0, 0, 1, 0>(d);
}

}  // namespace
