// SPDX-License-Identifier: Apache-2.0
// Conversion of element types, as cast and cast_like do it.
#pragma once

#include "edgesmith/base/result.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::ops {

/// Errors: unsupported (strings, 8-bit floats).
Result<ir::Tensor> cast_elements(const ir::Tensor& tensor, ir::DType to);

}  // namespace edgesmith::ops
