// SPDX-License-Identifier: Apache-2.0
// ArgMin: y = index of the smallest element along `axis`, as i64. Attributes: axis = 0 (negative counts from the end),
// keepdims = 1, select_last_index = 0 (1: the last of equal elements instead of the first). A NaN is chosen only where
// it comes first. An axis without elements is an error. Types: every integer of 8 to 64 bits, f16, bf16, f32, f64.
#include <functional>

#include "ops/arg.h"

namespace edgesmith::ops::arg_min_op {

extern const OpInfo arg_min_info = arg_op<std::less<>>(ir::OpKind::arg_min);

}  // namespace edgesmith::ops::arg_min_op
