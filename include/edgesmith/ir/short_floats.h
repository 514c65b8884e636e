// SPDX-License-Identifier: Apache-2.0
// Floats of eight significant bits, as bfloat16 has them: a packer spends half as much on them, and beside codes of few
// bits nothing is lost by it.
#pragma once

#include "edgesmith/ir/tensor.h"

namespace edgesmith::ir {

inline constexpr int kShortBits = 8, kAllBits = 24;

/// To nearest, ties to even; of `bits` significant bits, kShortBits to kAllBits.
float short_float(float value, int bits = kShortBits);

/// Dense float32 numbers, the scales of codes, or float entries of codebooks as short floats; codes and indices stay.
Tensor with_short_floats(const Tensor& tensor);

/// Codes or codebooks whose scales or entries are short floats.
bool has_short_floats(const Tensor& tensor);

}  // namespace edgesmith::ir
