// SPDX-License-Identifier: Apache-2.0
// instance_normalization: y = (x - mean) / sqrt(variance + epsilon) * scale[c] + bias[c], mean and variance over each
// channel of each sample of x [N, C, ...] (Ulyanov et al. 2016). Operands: x, scale [C], bias [C]. Attribute epsilon
// (default 1e-5). f32, f64; f16 and bf16 through f32.
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/gradient_rules.h"
#include "ops/group_statistics.h"
#include "ops/slices.h"

namespace edgesmith::ops::instance_normalization_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"epsilon", AttributeKind::real}}));
  return check_same_dtype(node, {0, 1, 2});
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const int64_t channels = inputs[0]->rank() >= 2 ? inputs[0]->dims()[1] : 0;
  return normalize_groups(inputs, std::max<int64_t>(1, channels),
                          static_cast<double>(node.attributes().get_float("epsilon", 1e-5F)));
}

std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  return grouped_slices(node, axis, size_along(*node.input(0), 1).value_or(0));
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term dy = build.term(*outputs[0], node.output().type().dtype);
  return normalized_groups_gradient(build, node, dy, /*groups=*/0);
}

}  // namespace

extern const OpInfo instance_normalization_info = {.kind = ir::OpKind::instance_normalization,
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

}  // namespace edgesmith::ops::instance_normalization_op
