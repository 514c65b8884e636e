// SPDX-License-Identifier: Apache-2.0
#include "ops/arg.h"

#include <string>

#include "ops/elements.h"

namespace edgesmith::ops {
namespace {

// The shape with dim `axis` set to 1 or taken away.
template <typename Shape>
Shape without_axis(Shape shape, int axis, bool keep) {
  if (keep) {
    shape[static_cast<size_t>(axis)] = 1;
  } else {
    shape.erase(shape.begin() + axis);
  }
  return shape;
}

bool keeps_dims(const ir::Node& node) { return node.attributes().get_int("keepdims", 1) != 0; }

}  // namespace

Status verify_arg(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"axis", AttributeKind::integer},
                                        {"keepdims", AttributeKind::integer},
                                        {"select_last_index", AttributeKind::integer}}));
  EDGESMITH_TRY(check_flag(node, "select_last_index"));
  return check_flag(node, "keepdims");
}

Result<std::vector<ir::Type>> infer_arg(const ir::Node& node, InferContext&) {
  const ir::Type& x = node.input(0)->type();
  ir::Type type{ir::DType::i64, std::nullopt};
  if (!x.has_rank()) return std::vector{type};
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), x.rank());
  if (!axis) return axis.error();
  type.shape = without_axis(*x.shape, *axis, keeps_dims(node));
  return std::vector{type};
}

Result<ArgPlan> plan_arg(const ir::Node& node, const ir::Tensor& x) {
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), x.rank());
  if (!axis) return axis.error();
  ArgPlan plan;
  for (int d = 0; d < x.rank(); ++d) {
    const int64_t dim = x.dims()[static_cast<size_t>(d)];
    if (d == *axis) plan.length = dim;
    if (d > *axis) plan.inner *= dim;
  }
  plan.out_dims = without_axis(x.dims(), *axis, keeps_dims(node));
  EDGESMITH_TRY(check_size(ir::DType::f64, plan.out_dims));
  if (plan.length == 0 && ir::num_elements(plan.out_dims) > 0) {
    return invalid_error("there is nothing to choose from: axis " + std::to_string(*axis) + " of " + x.type().text() +
                         " has no elements");
  }
  return plan;
}

}  // namespace edgesmith::ops
