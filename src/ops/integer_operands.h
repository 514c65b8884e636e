// SPDX-License-Identifier: Apache-2.0
// What mat_mul_integer and conv_integer share: 8-bit operands less their zero points, and exact products of them.
#pragma once

#include "edgesmith/base/result.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::ops {

/// codes - zero_point as f64. `zero_point` (null: 0) has the type of the codes and one element, or one for each entry
/// along `axis`. Errors: unsupported (codes that are not i8 or u8), invalid.
Result<ir::Tensor> without_zero_point(const ir::Tensor& codes, const ir::Tensor* zero_point, int axis);

/// Sums that are whole numbers as i32, wrapping around.
ir::Tensor as_int32(const ir::Tensor& sums);

}  // namespace edgesmith::ops
