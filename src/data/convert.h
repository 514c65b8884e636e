// SPDX-License-Identifier: Apache-2.0
// Element types of data against element types of a model.
#pragma once

#include "edgesmith/base/result.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::data {

/// `tensor` as `dtype`: the same tensor when it is that already (or `dtype` is undefined); numbers become floats of any
/// width, integers become integers that can hold them. Errors: invalid (floats for integers, a number out of range).
Result<ir::Tensor> convert_to(const ir::Tensor& tensor, ir::DType dtype);
/// Flat index of the first NaN or Inf of a float tensor, or -1.
int64_t first_not_finite(const ir::Tensor& tensor);

}  // namespace edgesmith::data
