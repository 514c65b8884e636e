// SPDX-License-Identifier: Apache-2.0
// From 32-bit sums to codes.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/integer/form.h"

namespace edgesmith::runtime::integer {

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
  /// float(sum) * scale[channel]: the real of a sum where the result is not made of codes.
  float real(int32_t sum, int64_t channel) const;
};

/// For sums in units of `scales`.
Requantize make_requantize(const std::vector<float>& scales, const CodeType& result, bool fixed_point);

/// sum * multiplier * 2^(shift - 31), as TensorFlow Lite rounds it.
int32_t fixed_point_product(int32_t sum, int32_t multiplier, int32_t shift);

}  // namespace edgesmith::runtime::integer
