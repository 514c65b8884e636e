// SPDX-License-Identifier: Apache-2.0
// What conv and conv_transpose share: operands x [N, C, spatial...], weight [A, B, kernel...], optional bias.
#pragma once

#include <vector>

#include "edgesmith/ops/op_info.h"
#include "edgesmith/ops/window.h"

namespace edgesmith::ops {

/// Which of the weight's first two dims is what: conv has [out, in / group], conv_transpose [in, out / group].
enum class WeightLayout { out_in, in_out };

/// Attributes and operand types, as far as known.
Status verify_convolution(const ir::Node& node, WeightLayout layout);

/// The shapes of running operands: errors are invalid.
Status check_convolution(const ir::Node& node, const ir::Tensor& x, const ir::Tensor& weight, const ir::Tensor* bias,
                         WeightLayout layout);

/// The window's symbolic dims of the output.
using InferWindow = Result<ir::Shape> (*)(const ir::Node& node, const ir::Shape& input, const ir::Shape& kernel);
Result<std::vector<ir::Type>> infer_convolution(const ir::Node& node, WeightLayout layout, InferWindow infer_spatial);

/// Multiply-accumulates: every weight is used once an element of `positions` (the output of a conv, the input of a
/// transposed one), for one sample.
Cost convolution_cost(const ir::Node& node, const ir::Type& positions);

/// The dims after the first two.
ir::Dims spatial_dims(const ir::Dims& dims);

/// The product of the known dims (unknown ones count 1, so does an unknown shape); saturates instead of overflowing.
int64_t known_elements(const ir::Type& type);

}  // namespace edgesmith::ops
