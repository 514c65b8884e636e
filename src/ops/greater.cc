// SPDX-License-Identifier: Apache-2.0
// Greater: y = a > b. Operands of one type, numpy broadcasting, result bool; no attributes. NaN compares false. Types:
// every integer of 8 to 64 bits, f16, bf16, f32, f64.
#include "ops/broadcast.h"

namespace edgesmith::ops::greater_op {

extern const OpInfo greater_info = comparison_op<std::greater<>, NumberTypes>(ir::OpKind::greater);

}  // namespace edgesmith::ops::greater_op
