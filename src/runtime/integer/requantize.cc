// SPDX-License-Identifier: Apache-2.0
#include "runtime/integer/requantize.h"

#include <algorithm>
#include <cmath>

namespace edgesmith::runtime::integer {

int32_t Requantize::code(int32_t sum, int64_t channel) const {
  if (!multiplier.empty()) return fixed_code(sum, channel);
  const auto low = static_cast<float>(lo - zero_point), high = static_cast<float>(hi - zero_point);
  return static_cast<int32_t>(std::nearbyint(std::clamp(real(sum, channel), low, high))) + zero_point;
}

float Requantize::real(int32_t sum, int64_t channel) const {
  return static_cast<float>(sum) * scale[scale.size() == 1 ? 0 : static_cast<size_t>(channel)];
}

Requantize make_requantize(const std::vector<float>& scales, const CodeType& result, bool fixed_point) {
  Requantize out;
  out.zero_point = result.zero_point;
  out.lo = result.lo;
  out.hi = result.hi;
  for (const float scale : scales) {
    out.scale.push_back(scale / result.scale);
    if (!fixed_point) continue;
    // Real multiplier = multiplier / 2^31 * 2^shift (TensorFlow Lite's QuantizeMultiplier).
    int exponent = 0;
    const double fraction = std::frexp(static_cast<double>(scale) / result.scale, &exponent);
    auto multiplier = static_cast<int64_t>(std::llround(fraction * static_cast<double>(int64_t{1} << 31)));
    if (multiplier == int64_t{1} << 31) {
      multiplier /= 2;
      ++exponent;
    }
    const bool vanishes = exponent < -31;
    out.multiplier.push_back(vanishes ? 0 : static_cast<int32_t>(multiplier));
    out.shift.push_back(vanishes ? 0 : exponent);
  }
  return out;
}

}  // namespace edgesmith::runtime::integer
