// SPDX-License-Identifier: Apache-2.0
// gather: entries of x along `axis` (attribute, default 0) named by `indices` (i32 or i64, any rank; negative ones
// count from the end): y has x's dims with indices' dims in the place of the axis. Any element type.
#include <string>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"
#include "ops/slices.h"

namespace edgesmith::ops::gather_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"axis", AttributeKind::integer}}));
  const ir::DType indices = node.input(1)->type().dtype;
  if (indices != ir::DType::undefined && indices != ir::DType::i64 && indices != ir::DType::i32) {
    return invalid_error("indices are " + std::string(ir::dtype_name(indices)) + ", must be i32 or i64");
  }
  const auto& x = node.input(0)->type().shape;
  if (!x) return {};
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), static_cast<int>(x->size()));
  return axis ? Status{} : axis.error();
}

// Contents of the result when x is a small integer vector with known contents and the indices are known.
void infer_contents(const ir::Node& node, InferContext& context) {
  const auto contents = context.contents(node, 0);
  const ir::Tensor* indices = context.constant(node, 1);
  if (!contents || indices == nullptr || indices->rank() > 1 || node.input(0)->type().rank() != 1) return;
  if (indices->dtype() != ir::DType::i64 && indices->dtype() != ir::DType::i32) return;
  const auto length = static_cast<int64_t>(contents->size());
  ir::Shape picked;
  for (int64_t index : indices->to_int64s()) {
    if (index < -length || index >= length) return;
    picked.push_back((*contents)[static_cast<size_t>(index < 0 ? index + length : index)]);
  }
  context.set_contents(node, 0, std::move(picked));
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  const ir::Type& x = node.input(0)->type();
  const auto& indices = node.input(1)->type().shape;
  ir::Type type{x.dtype, std::nullopt};
  if (!x.shape || !indices) return std::vector{type};
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), x.rank());
  if (!axis) return axis.error();
  type.shape = ir::Shape(x.shape->begin(), x.shape->begin() + *axis);
  type.shape->insert(type.shape->end(), indices->begin(), indices->end());
  type.shape->insert(type.shape->end(), x.shape->begin() + *axis + 1, x.shape->end());
  infer_contents(node, context);
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &indices = *inputs[1];
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), x.rank());
  if (!axis) return axis.error();
  if (indices.dtype() != ir::DType::i64 && indices.dtype() != ir::DType::i32) {
    return invalid_error("indices are " + indices.type().text() + ", must be i32 or i64");
  }
  const auto at = static_cast<size_t>(*axis);
  ir::Dims dims(x.dims().begin(), x.dims().begin() + *axis);
  dims.insert(dims.end(), indices.dims().begin(), indices.dims().end());
  dims.insert(dims.end(), x.dims().begin() + *axis + 1, x.dims().end());
  EDGESMITH_TRY(check_size(x.dtype(), dims));
  auto maps = identity_maps(x.dims());
  maps[at] = indices.to_int64s();
  for (int64_t& index : maps[at]) {
    if (index < -x.dims()[at] || index >= x.dims()[at]) {
      return invalid_error("index " + std::to_string(index) + " is out of range for " + std::to_string(x.dims()[at]) +
                           " entries on axis " + std::to_string(*axis));
    }
    if (index < 0) index += x.dims()[at];
  }
  auto y = take(x, maps);
  if (!y) return y.error();
  return std::vector{y->reshaped(std::move(dims))};
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), node.input(0)->type().rank());
  if (!axis) return axis.error();
  ir::Value& size = build.size_of(*node.input(0), *axis);
  return std::vector{
      &build.append(ir::OpKind::gather_gradient, {outputs[0], node.input(1), &size}, {{"axis", int64_t{*axis}}})};
}

// Axes that nothing is picked from keep their slices.
std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  const int rank = node.input(0)->type().rank(), indices = node.input(1)->type().rank();
  const auto picked = normalize_axis(node.attributes().get_int("axis", 0), rank);
  if (rank < 0 || indices < 0 || !picked || (axis >= *picked && axis < *picked + indices)) return std::nullopt;
  return ChannelRelation{.links = {{0, axis < *picked ? axis : axis - indices + 1}}, .mixing = {}};
}

}  // namespace

extern const OpInfo gather_info = {.kind = ir::OpKind::gather,
                                   .min_inputs = 2,
                                   .max_inputs = 2,
                                   .min_outputs = 1,
                                   .max_outputs = 1,
                                   .verify = verify,
                                   .infer = infer,
                                   .eval = eval,
                                   .cost = no_cost,
                                   .quant = transparent_one,
                                   .channels = channels,
                                   .gradient = gradient};

}  // namespace edgesmith::ops::gather_op
