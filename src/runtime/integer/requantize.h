// SPDX-License-Identifier: Apache-2.0
// From 32-bit sums to codes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "runtime/integer/form.h"

namespace edgesmith::runtime::integer {

/// The high 32 bits of 2 * a * b, rounded to nearest, half away from zero (gemmlowp's
/// SaturatingRoundingDoublingHighMul).
inline int32_t doubling_high_product(int32_t a, int32_t b) {
  constexpr int32_t kMin = std::numeric_limits<int32_t>::min();
  if (a == kMin && b == kMin) return std::numeric_limits<int32_t>::max();
  const int64_t product = static_cast<int64_t>(a) * b;
  const int64_t nudge = product >= 0 ? int64_t{1} << 30 : 1 - (int64_t{1} << 30);
  return static_cast<int32_t>((product + nudge) / (int64_t{1} << 31));
}

/// value / 2^exponent, rounded to nearest, half away from zero (gemmlowp's RoundingDivideByPOT).
inline int32_t rounding_shift_right(int32_t value, int32_t exponent) {
  const auto mask = static_cast<int32_t>((int64_t{1} << exponent) - 1);
  const int32_t remainder = value & mask;
  const int32_t threshold = (mask >> 1) + (value < 0 ? 1 : 0);
  return (value >> exponent) + (remainder > threshold ? 1 : 0);
}

/// sum * multiplier * 2^(shift - 31), as TensorFlow Lite rounds it.
inline int32_t fixed_point_product(int32_t sum, int32_t multiplier, int32_t shift) {
  const int64_t wide = static_cast<int64_t>(sum) * (int64_t{1} << std::max(shift, 0));
  const auto shifted = static_cast<int32_t>(
      std::clamp<int64_t>(wide, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()));
  return rounding_shift_right(doubling_high_product(shifted, multiplier), std::max(-shift, 0));
}

/// How the sums of one layer become codes of its result.
///
/// Float (what ONNX Runtime's MlasRequantizeOutput computes): with all of it in float32,
///   code = zero_point + round_half_even(clamp(float(sum) * scale[channel], lo - zero_point, hi - zero_point)).
/// Fixed point (TensorFlow Lite's MultiplyByQuantizedMultiplier, which CMSIS-NN follows: the doubling high product
/// rounds half away from zero, then the shift to the right does): see fixed_point().
struct Requantize {
  std::vector<float> scale;         ///< input scale * weight scale / output scale; one, or one a channel
  std::vector<int32_t> multiplier;  ///< fixed point: as many as scales, in [2^30, 2^31), or 0; else empty
  std::vector<int32_t> shift;       ///< fixed point: as many; to the left where positive
  int32_t zero_point = 0, lo = 0, hi = 255;

  int32_t code(int32_t sum, int64_t channel) const;
  /// The same where there are multipliers.
  int32_t fixed_code(int32_t sum, int64_t channel) const {
    const size_t at = multiplier.size() == 1 ? 0 : static_cast<size_t>(channel);
    const int64_t code = static_cast<int64_t>(fixed_point_product(sum, multiplier[at], shift[at])) + zero_point;
    return static_cast<int32_t>(std::clamp<int64_t>(code, lo, hi));
  }
  /// float(sum) * scale[channel]: the real of a sum where the result is not made of codes.
  float real(int32_t sum, int64_t channel) const;
};

/// For sums in units of `scales`.
Requantize make_requantize(const std::vector<float>& scales, const CodeType& result, bool fixed_point);

}  // namespace edgesmith::runtime::integer
