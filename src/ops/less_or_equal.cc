// SPDX-License-Identifier: Apache-2.0
// LessOrEqual: y = a <= b. Operands of one type, numpy broadcasting, result bool; no attributes. NaN compares false.
// Types: every integer of 8 to 64 bits, f16, bf16, f32, f64.
#include "ops/broadcast.h"

namespace edgesmith::ops::less_or_equal_op {

extern const OpInfo less_or_equal_info = comparison_op<std::less_equal<>, NumberTypes>(ir::OpKind::less_or_equal);

}  // namespace edgesmith::ops::less_or_equal_op
