// SPDX-License-Identifier: Apache-2.0
// Xor: y = a != b. Booleans, numpy broadcasting; no attributes.
#include "ops/broadcast.h"

namespace edgesmith::ops::logical_xor_op {

extern const OpInfo logical_xor_info = comparison_op<std::not_equal_to<>, Types<bool>>(ir::OpKind::logical_xor);

}  // namespace edgesmith::ops::logical_xor_op
