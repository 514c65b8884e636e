// SPDX-License-Identifier: Apache-2.0
#include "runtime/integer/requantize.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace edgesmith::runtime::integer {

namespace {

// The high 32 bits of 2 * a * b, rounded to nearest, half away from zero (gemmlowp's
// SaturatingRoundingDoublingHighMul).
int32_t doubling_high_product(int32_t a, int32_t b) {
  constexpr int32_t kMin = std::numeric_limits<int32_t>::min();
  if (a == kMin && b == kMin) return std::numeric_limits<int32_t>::max();
  const int64_t product = static_cast<int64_t>(a) * b;
  const int64_t nudge = product >= 0 ? int64_t{1} << 30 : 1 - (int64_t{1} << 30);
  return static_cast<int32_t>((product + nudge) / (int64_t{1} << 31));
}

// value / 2^exponent, rounded to nearest, half away from zero (gemmlowp's RoundingDivideByPOT).
int32_t rounding_shift_right(int32_t value, int32_t exponent) {
  if (exponent == 0) return value;
  const auto mask = static_cast<int32_t>((int64_t{1} << exponent) - 1);
  const int32_t remainder = value & mask;
  const int32_t threshold = (mask >> 1) + (value < 0 ? 1 : 0);
  return (value >> exponent) + (remainder > threshold ? 1 : 0);
}

}  // namespace

int32_t fixed_point_product(int32_t sum, int32_t multiplier, int32_t shift) {
  const int64_t wide = static_cast<int64_t>(sum) * (int64_t{1} << std::max(shift, 0));
  const auto shifted = static_cast<int32_t>(
      std::clamp<int64_t>(wide, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()));
  return rounding_shift_right(doubling_high_product(shifted, multiplier), std::max(-shift, 0));
}

int32_t Requantize::code(int32_t sum, int64_t channel) const {
  if (!multiplier.empty()) {
    const size_t at = multiplier.size() == 1 ? 0 : static_cast<size_t>(channel);
    const int64_t code = static_cast<int64_t>(fixed_point_product(sum, multiplier[at], shift[at])) + zero_point;
    return static_cast<int32_t>(std::clamp<int64_t>(code, lo, hi));
  }
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
