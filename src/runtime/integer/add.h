// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/integer/requantize.h"

namespace edgesmith::runtime::integer {

/// add on codes, all of it in float32 as ONNX Runtime's kernel for AVX2 computes it:
///   code = round_half_even(clamp(fma(a, ratio_a, fma(b, ratio_b, fixed)), lo, hi)).
struct AddConstants {
  float ratio_a, ratio_b;  ///< scale of the operand / scale of the result
  float fixed;             ///< zero point of the result - fma(ratio_a, zero point of a, ratio_b * zero point of b)
  float lo, hi;

  int32_t code(int32_t a, int32_t b) const;
};
AddConstants add_constants(const Form& form);

/// The same by fixed-point multipliers, as TensorFlow Lite's reference for 8 bits (operands shifted to the left by 20
/// bits, brought to twice the larger of their scales, added, brought to the scale of the result).
struct FixedPointAdd {
  int32_t zero_point_a, zero_point_b;
  Requantize a, b, result;

  /// An operand's code in units of the common scale.
  int32_t part_a(int32_t code) const;
  int32_t part_b(int32_t code) const;
  int32_t code(int32_t code_a, int32_t code_b) const;
};
FixedPointAdd fixed_point_add(const Form& form);

}  // namespace edgesmith::runtime::integer
