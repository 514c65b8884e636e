// SPDX-License-Identifier: Apache-2.0
// And: y = a and b. Booleans, numpy broadcasting; no attributes.
#include "ops/broadcast.h"

namespace edgesmith::ops::logical_and_op {

extern const OpInfo logical_and_info = comparison_op<std::logical_and<>, Types<bool>>(ir::OpKind::logical_and);

}  // namespace edgesmith::ops::logical_and_op
