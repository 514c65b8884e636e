// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/convert_codes.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/native/int_packing.h"

namespace edgesmith::runtime::native {

namespace {

// Pixels that are converted before they change places: a block of them stays in the first-level cache.
constexpr int64_t kBlock = 256;

// A value as samples of [channels][pixels]; one channel where both layouts are the same.
struct Planes {
  int64_t samples = 1, channels = 1, pixels = 1;
};

Planes planes_of(const ir::Dims& dims) {
  Planes out;
  if (dims.size() < 3) {
    out.pixels = ir::num_elements(dims);
    return out;
  }
  out.samples = dims[0];
  out.channels = dims[1];
  for (size_t axis = 2; axis < dims.size(); ++axis) out.pixels *= dims[axis];
  if (out.channels == 1 || out.pixels == 1) return {.pixels = ir::num_elements(dims)};
  return out;
}

// transpose() of three rows into pixels of three bytes: whole words, each of which the next one mends.
void transpose_colours(const uint8_t* from, int64_t from_step, int64_t columns, uint8_t* to) {
  const uint8_t *red = from, *green = from + from_step, *blue = green + from_step;
  int64_t c = 0;
  for (; c + 1 < columns; ++c, to += 3) {
    const uint32_t pixel = red[c] | static_cast<uint32_t>(green[c]) << 8 | static_cast<uint32_t>(blue[c]) << 16;
    std::memcpy(to, &pixel, sizeof pixel);
  }
  if (c < columns) {
    to[0] = red[c];
    to[1] = green[c];
    to[2] = blue[c];
  }
}

// to[column * to_step + row] = from[row * from_step + column].
void transpose(const uint8_t* from, int64_t from_step, int64_t rows, int64_t columns, uint8_t* to, int64_t to_step) {
  constexpr int64_t kTile = 16;
  if (rows == 3 && to_step == 3) return transpose_colours(from, from_step, columns, to);
  for (int64_t r = 0; r < rows; r += kTile) {
    const int64_t end = std::min(rows, r + kTile);
    for (int64_t c = 0; c < columns; ++c) {
      for (int64_t i = r; i < end; ++i) to[c * to_step + i] = from[i * from_step + c];
    }
  }
}

}  // namespace

void quantize_codes(Isa isa, const integer::CodeType& type, const ir::Dims& dims, const float* reals, Layout layout,
                    std::byte* codes) {
  const IntTable& table = int_table(isa);
  IntQuantize job = {.scale = type.scale,
                     .lo = static_cast<float>(type.lo - type.zero_point),
                     .hi = static_cast<float>(type.hi - type.zero_point),
                     .store = code_store(type)};
  const Planes p = layout == Layout::channels_last ? planes_of(dims) : Planes{.pixels = ir::num_elements(dims)};
  auto* out = reinterpret_cast<uint8_t*>(codes);
  if (p.channels == 1) {
    job.in = reals;
    job.count = p.pixels;
    job.out = out;
    table.quantize(job);
    return;
  }
  constexpr int64_t kRows = 16;  // channels at a time
  std::array<uint8_t, kRows * kBlock> rows;
  for (int64_t n = 0; n < p.samples; ++n, reals += p.channels * p.pixels, out += p.channels * p.pixels) {
    for (int64_t first = 0; first < p.pixels; first += kBlock) {
      job.count = std::min(kBlock, p.pixels - first);
      for (int64_t c = 0; c < p.channels; c += kRows) {
        const int64_t count = std::min(kRows, p.channels - c);
        for (int64_t i = 0; i < count; ++i) {
          job.in = reals + (c + i) * p.pixels + first;
          job.out = rows.data() + i * kBlock;
          table.quantize(job);
        }
        transpose(rows.data(), kBlock, count, job.count, out + first * p.channels + c, p.channels);
      }
    }
  }
}

void dequantize_codes(Isa isa, const integer::CodeType& type, const ir::Dims& dims, const std::byte* codes,
                      Layout layout, float* reals) {
  const IntTable& table = int_table(isa);
  const uint8_t flip = type.dtype == ir::DType::i8 ? 128 : 0;
  const Planes p = layout == Layout::channels_last ? planes_of(dims) : Planes{.pixels = ir::num_elements(dims)};
  const auto* in = reinterpret_cast<const uint8_t*>(codes);
  if (p.channels == 1) return table.dequantize(in, flip, type.zero_point, type.scale, reals, p.pixels);
  constexpr int64_t kRows = 16;
  std::array<uint8_t, kRows * kBlock> rows;
  for (int64_t n = 0; n < p.samples; ++n, reals += p.channels * p.pixels, in += p.channels * p.pixels) {
    for (int64_t first = 0; first < p.pixels; first += kBlock) {
      const int64_t pixels = std::min(kBlock, p.pixels - first);
      for (int64_t c = 0; c < p.channels; c += kRows) {
        const int64_t count = std::min(kRows, p.channels - c);
        transpose(in + first * p.channels + c, p.channels, pixels, count, rows.data(), kBlock);
        for (int64_t i = 0; i < count; ++i) {
          float* to = reals + (c + i) * p.pixels + first;
          table.dequantize(rows.data() + i * kBlock, flip, type.zero_point, type.scale, to, pixels);
        }
      }
    }
  }
}

void change_code_layout(const ir::Dims& dims, const std::byte* from, Layout to_layout, std::byte* to) {
  const Planes p = planes_of(dims);
  const int64_t sample = p.channels * p.pixels;
  if (p.channels == 1) {
    if (sample > 0) std::memcpy(to, from, static_cast<size_t>(sample));
    return;
  }
  const bool last = to_layout == Layout::channels_last;
  const int64_t rows = last ? p.channels : p.pixels, columns = last ? p.pixels : p.channels;
  for (int64_t n = 0; n < p.samples; ++n) {
    transpose(reinterpret_cast<const uint8_t*>(from) + n * sample, columns, rows, columns,
              reinterpret_cast<uint8_t*>(to) + n * sample, rows);
  }
}

}  // namespace edgesmith::runtime::native
