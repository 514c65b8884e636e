// SPDX-License-Identifier: Apache-2.0
// What the convolution kernels share.
#pragma once

#include <optional>

#include "edgesmith/ops/window.h"
#include "runtime/kernel_registry.h"

namespace edgesmith::runtime::native {

/// A conv of float32 operands with one or two spatial axes, whose weight's rank is known.
bool is_float_conv(const ir::Node& node);
/// One input channel a group, more than one group; the weight's dims are known.
bool is_depthwise(const ir::Node& node);
/// Checks that the operands fit each other and resolves the window. Errors: invalid.
Result<ops::Window> conv_window(const ir::Node& node, const ir::Dims& input, const ir::Dims& weight);
std::optional<ir::Dims> conv_output_dims(const ir::Node& node, OperandDims inputs);

/// True when every operand present is float32 by the graph's types.
bool all_float(const ir::Node& node);
/// True when a value of this type is known to hold one number, of any rank.
bool is_one_number(const ir::Type& type);

}  // namespace edgesmith::runtime::native
