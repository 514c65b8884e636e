// SPDX-License-Identifier: Apache-2.0
// Or: y = a or b. Booleans, numpy broadcasting; no attributes.
#include "ops/broadcast.h"

namespace edgesmith::ops::logical_or_op {

extern const OpInfo logical_or_info = comparison_op<std::logical_or<>, Types<bool>>(ir::OpKind::logical_or);

}  // namespace edgesmith::ops::logical_or_op
