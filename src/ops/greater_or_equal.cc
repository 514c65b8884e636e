// SPDX-License-Identifier: Apache-2.0
// GreaterOrEqual: y = a >= b. Operands of one type, numpy broadcasting, result bool; no attributes. NaN compares false.
// Types: every integer of 8 to 64 bits, f16, bf16, f32, f64.
#include "ops/broadcast.h"

namespace edgesmith::ops::greater_or_equal_op {

extern const OpInfo greater_or_equal_info =
    comparison_op<std::greater_equal<>, NumberTypes>(ir::OpKind::greater_or_equal);

}  // namespace edgesmith::ops::greater_or_equal_op
