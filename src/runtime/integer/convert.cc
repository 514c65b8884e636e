// SPDX-License-Identifier: Apache-2.0
#include "runtime/integer/convert.h"

#include <array>
#include <cmath>
#include <cstring>

namespace edgesmith::runtime::integer {

namespace {

// A value as samples of planes: dims [N, C, spatial...].
struct Planes {
  int64_t samples = 1, channels = 1, pixels = 1;
};

Planes planes_of(const ir::Dims& dims, Layout layout) {
  Planes out;
  if (layout == Layout::row_major || dims.size() < 3) {
    out.pixels = ir::num_elements(dims);
    return out;
  }
  out.samples = dims[0];
  out.channels = dims[1];
  for (size_t axis = 2; axis < dims.size(); ++axis) out.pixels *= dims[axis];
  return out;
}

// Calls body(row-major position, position in the layout) for every element.
template <typename Body>
void for_each(const Planes& p, Body body) {
  for (int64_t n = 0; n < p.samples; ++n) {
    const int64_t sample = n * p.channels * p.pixels;
    for (int64_t c = 0; c < p.channels; ++c) {
      for (int64_t i = 0; i < p.pixels; ++i) body(sample + c * p.pixels + i, sample + i * p.channels + c);
    }
  }
}

}  // namespace

void quantize(const CodeType& type, const ir::Dims& dims, const float* reals, Layout layout, std::byte* codes) {
  const auto low = static_cast<float>(type.lo - type.zero_point), high = static_cast<float>(type.hi - type.zero_point);
  for_each(planes_of(dims, layout), [&](int64_t from, int64_t to) {
    float code = std::nearbyintf(reals[from] / type.scale);
    code = code > low ? code : low;  // also for not-a-number
    code = code < high ? code : high;
    codes[to] = static_cast<std::byte>(static_cast<uint8_t>(static_cast<int32_t>(code) + type.zero_point));
  });
}

void dequantize(const CodeType& type, const ir::Dims& dims, const std::byte* codes, Layout layout, float* reals) {
  std::array<float, 256> table;
  for (int byte = 0; byte < 256; ++byte) {
    const int32_t code = type.dtype == ir::DType::i8 ? static_cast<int8_t>(byte) : byte;
    table[static_cast<size_t>(byte)] = static_cast<float>(code - type.zero_point) * type.scale;
  }
  for_each(planes_of(dims, layout),
           [&](int64_t to, int64_t from) { reals[to] = table[static_cast<size_t>(codes[from])]; });
}

void change_layout(const ir::Dims& dims, const std::byte* from, Layout to_layout, std::byte* to) {
  for_each(planes_of(dims, Layout::channels_last), [&](int64_t rows, int64_t last) {
    to_layout == Layout::channels_last ? to[last] = from[rows] : to[rows] = from[last];
  });
}

}  // namespace edgesmith::runtime::integer
