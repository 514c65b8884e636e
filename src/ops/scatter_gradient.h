// SPDX-License-Identifier: Apache-2.0
// The gradient that ScatterElements and ScatterND share: both put updates at places of x, one by its index along an
// axis, the other by tuples of indices.
#pragma once

#include "ops/gradient_rules.h"

namespace edgesmith::ops {

/// For OpInfo::gradient of scatter_elements and scatter_nd, every reduction. The gradient of a place goes
/// - none: to the update that stayed, else to x;
/// - add: to x and to every update;
/// - mul: to each factor, times the product of the others, also where some of them are 0;
/// - max, min: to x where it equals the result, else to the first update that does.
Gradients scatter_gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs);

}  // namespace edgesmith::ops
