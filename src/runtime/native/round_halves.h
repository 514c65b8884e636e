// SPDX-License-Identifier: Apache-2.0
// Floats rounded to the nearest half float, half to even, and kept as floats: the bits of ir::float_to_half and
// half_to_float (or their bfloat16 twins) one after the other.
#pragma once

#include <cstdint>

#include "edgesmith/ir/tensor.h"
#include "runtime/isa.h"

namespace edgesmith::runtime::native {

/// `half`: f16 or bf16.
void round_to_half(Isa isa, ir::DType half, float* data, int64_t count);
/// The same for a copy of a dense float32 tensor.
ir::Tensor rounded_to_half(Isa isa, const ir::Tensor& tensor, ir::DType half);

}  // namespace edgesmith::runtime::native
