// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/quant.h"

#include <algorithm>
#include <cmath>

namespace edgesmith::ir {

bool Quant::same_codes(const Quant& other) const {
  return dtype == other.dtype && scale == other.scale && zero_point == other.zero_point && axis == other.axis &&
         block_size == other.block_size;
}

int32_t quantize_value(float real, float scale, int32_t zero_point, DType dtype) {
  const double lo = static_cast<double>(min_code(dtype)), hi = static_cast<double>(max_code(dtype));
  const double code = static_cast<double>(std::nearbyintf(real / scale)) + zero_point;
  if (!(code > lo)) return static_cast<int32_t>(lo);  // also NaN
  return static_cast<int32_t>(std::min(code, hi));
}

void fake_quantize(float* data, int64_t count, float scale, int32_t zero_point, DType dtype) {
  // Clamping (code - zero_point) needs no addition, so every step is exact in float for codes of at most 16 bits.
  const float lo = static_cast<float>(min_code(dtype) - zero_point);
  const float hi = static_cast<float>(max_code(dtype) - zero_point);
  for (int64_t i = 0; i < count; ++i) {
    float code = std::nearbyintf(data[i] / scale);
    code = code > lo ? code : lo;
    code = code < hi ? code : hi;
    data[i] = code * scale;
  }
}

}  // namespace edgesmith::ir
