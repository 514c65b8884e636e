// SPDX-License-Identifier: Apache-2.0
// What instance and group normalization share: statistics of x [N, C, ...] over groups of channels, scale and bias [C].
#pragma once

#include <vector>

#include "edgesmith/ops/gradient.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {

/// y = (x - mean) / sqrt(variance + epsilon) * scale[c] + bias[c], statistics in f64 over each of `groups` groups of
/// channels of each sample. inputs: x, scale, bias of one type, f32 or f64. Errors: invalid (dims), unsupported.
Result<std::vector<ir::Tensor>> normalize_groups(std::span<const ir::Tensor* const> inputs, int64_t groups,
                                                 double epsilon);

/// Those of x, scale and bias; `groups` = 0: every channel is one.
Gradients normalized_groups_gradient(GradientBuilder& build, const ir::Node& node, const Term& dy, int64_t groups);

/// OpInfo::infer of both: the type of x.
Result<std::vector<ir::Type>> infer_group_normalization(const ir::Node& node, InferContext& context);

}  // namespace edgesmith::ops
