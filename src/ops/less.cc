// SPDX-License-Identifier: Apache-2.0
// Less: y = a < b. Operands of one type, numpy broadcasting, result bool; no attributes. NaN compares false. Types:
// every integer of 8 to 64 bits, f16, bf16, f32, f64.
#include "ops/broadcast.h"

namespace edgesmith::ops::less_op {

extern const OpInfo less_info = comparison_op<std::less<>, NumberTypes>(ir::OpKind::less);

}  // namespace edgesmith::ops::less_op
