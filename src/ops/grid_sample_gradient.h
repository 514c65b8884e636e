// SPDX-License-Identifier: Apache-2.0
// The gradient of grid_sample, apart from its operator because it is as long.
#pragma once

#include "ops/gradient_rules.h"

namespace edgesmith::ops {

/// For OpInfo::gradient of grid_sample, every mode and padding. Each place of the grid reads K = T^axes elements of x,
/// T along an axis (1 for nearest, 2 for linear, 4 for cubic), with a share that is a product of one factor an axis:
///
///   y[n, c, p] = sum over k of share[n, p, k] * x[n, c, element[n, p, k]]
///
/// dx adds share * dy at the elements; dgrid takes the slopes of the shares. Places and shares are found again in f64,
/// as the operator finds them. Nearest elements do not move with the grid: no gradient flows into it.
Gradients grid_sample_gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs);

}  // namespace edgesmith::ops
