// SPDX-License-Identifier: Apache-2.0
// The window functions of signal processing: a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N) for n of `size` places (the
// operand, one i32 or i64); N is size when `periodic` (attribute, default 1), else size - 1. Attribute output_datatype:
// ONNX's number of the result's type (default: f32).
#pragma once

#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {

Status verify_taper(const ir::Node& node);
Result<std::vector<ir::Type>> infer_taper(const ir::Node& node, InferContext& context);
Result<std::vector<ir::Tensor>> evaluate_taper(const ir::Node& node, std::span<const ir::Tensor* const> inputs,
                                               double a0, double a1, double a2);

}  // namespace edgesmith::ops
