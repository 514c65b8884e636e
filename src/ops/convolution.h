// SPDX-License-Identifier: Apache-2.0
// What conv and conv_transpose share: operands x [N, C, spatial...], weight [A, B, kernel...], optional bias.
#pragma once

#include <vector>

#include "edgesmith/ops/gradient.h"
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

/// What gradients of a convolution need of its window: explicit pads, all begins then all ends. Errors: unsupported
/// when they depend on a size that is not known.
Result<ir::Ints> gradient_pads(const ir::Node& node, WeightLayout layout);
/// The gradient of a bias [M] from that of the result [N, M, spatial...].
ir::Value* bias_gradient(GradientBuilder& build, const ir::Node& node, ir::Value& dy);
/// The gradient of the weight: conv_weight_gradient of `image`, over which the kernel slides, and `positions`, one
/// element a place of it.
ir::Value* weight_gradient(GradientBuilder& build, const ir::Node& node, const ir::Ints& pads, ir::Value& image,
                           ir::Value& positions);
/// The entries [0, size of `target` along axis) of each of `axes`.
Term crop_like(const Term& term, const std::vector<int>& axes, ir::Value& target);

/// The dims after the first two.
ir::Dims spatial_dims(const ir::Dims& dims);

/// The product of the known dims (unknown ones count 1, so does an unknown shape); saturates instead of overflowing.
int64_t known_elements(const ir::Type& type);

}  // namespace edgesmith::ops
