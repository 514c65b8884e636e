// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "edgesmith/ops/gradient.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {

/// OpInfo::gradient of attention: of Q, K, V, a mask of numbers, past keys and values, from those of all its results.
/// Probabilities are computed again. Errors: unsupported, when heads or their size are not known.
Gradients attention_gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs);

}  // namespace edgesmith::ops
