// SPDX-License-Identifier: Apache-2.0
// group_normalization: y = (x - mean) / sqrt(variance + epsilon) * scale[c] + bias[c], mean and variance over each of
// `num_groups` (attribute, required) groups of channels of each sample of x [N, C, ...] (Wu and He 2018). Operands: x,
// scale [C], bias [C], as from opset 21 on; the older form with one scale a group stays opaque. Attributes: epsilon
// (default 1e-5), stash_type (statistics are computed in f64). f32, f64; f16 and bf16 through f32.
#include <string>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/gradient_rules.h"
#include "ops/group_statistics.h"
#include "ops/slices.h"

namespace edgesmith::ops::group_normalization_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"epsilon", AttributeKind::real},
                                        {"num_groups", AttributeKind::integer},
                                        {"stash_type", AttributeKind::integer}}));
  const int64_t groups = node.attributes().get_int("num_groups", 0);
  if (groups < 1) return invalid_error("num_groups is " + std::to_string(groups) + ", must be at least 1");
  return check_same_dtype(node, {0, 1, 2});
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  return normalize_groups(inputs, node.attributes().get_int("num_groups", 0),
                          static_cast<double>(node.attributes().get_float("epsilon", 1e-5F)));
}

std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  return grouped_slices(node, axis, node.attributes().get_int("num_groups", 0));
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term dy = build.term(*outputs[0], node.output().type().dtype);
  return normalized_groups_gradient(build, node, dy, node.attributes().get_int("num_groups", 0));
}

}  // namespace

extern const OpInfo group_normalization_info = {.kind = ir::OpKind::group_normalization,
                                                .min_inputs = 3,
                                                .max_inputs = 3,
                                                .min_outputs = 1,
                                                .max_outputs = 1,
                                                .verify = verify,
                                                .infer = infer_group_normalization,
                                                .eval = half_as_float<eval>,
                                                .cost = nullptr,
                                                .quant = nullptr,
                                                .channels = channels,
                                                .gradient = gradient};

}  // namespace edgesmith::ops::group_normalization_op
