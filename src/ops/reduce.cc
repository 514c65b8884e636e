// SPDX-License-Identifier: Apache-2.0
#include "ops/reduce.h"

#include <algorithm>
#include <optional>

#include "ops/elements.h"

namespace edgesmith::ops {
namespace {

bool keeps_dims(const ir::Node& node) { return node.attributes().get_int("keepdims", 1) != 0; }

// Which dims are reduced, for axes that are absent or known.
Result<std::vector<bool>> reduced_dims(const ir::Node& node, const ir::Tensor* axes, int rank) {
  std::vector<int64_t> list;
  if (axes != nullptr) {
    auto read = read_ints(*axes);
    if (!read) return read.error();
    list = std::move(*read);
  }
  const bool all = list.empty() && node.attributes().get_int("noop_with_empty_axes", 0) == 0;
  std::vector<bool> reduced(static_cast<size_t>(rank), all);
  const auto positive = normalize_axes(list, rank);
  if (!positive) return positive.error();
  for (int axis : *positive) reduced[static_cast<size_t>(axis)] = true;
  return reduced;
}

// The shape when the values of the axes are not known: their number may be, and the rank is with keepdims.
std::optional<ir::Shape> shape_of_unknown_axes(const ir::Node& node) {
  const ir::Type& x = node.input(0)->type();
  const ir::Type& axes = node.input(1)->type();
  if (keeps_dims(node)) return ir::Shape(x.shape->size());
  const auto count = axes.static_dims();
  if (!count || count->size() != 1 || (*count)[0] == 0 || (*count)[0] > x.rank()) return std::nullopt;
  return ir::Shape(x.shape->size() - static_cast<size_t>((*count)[0]));
}

}  // namespace

Status verify_reduction(const ir::Node& node) {
  EDGESMITH_TRY(
      check_attributes(node, {{"keepdims", AttributeKind::integer}, {"noop_with_empty_axes", AttributeKind::integer}}));
  EDGESMITH_TRY(check_flag(node, "noop_with_empty_axes"));
  return check_flag(node, "keepdims");
}

Result<std::vector<ir::Type>> infer_reduction(const ir::Node& node, InferContext& context) {
  ir::Type type = node.input(0)->type();
  if (!type.has_rank()) return std::vector{type};
  const ir::Tensor* axes = node.input(1) == nullptr ? nullptr : context.constant(node, 1);
  if (node.input(1) != nullptr && axes == nullptr) {
    type.shape = shape_of_unknown_axes(node);
    return std::vector{type};
  }
  const auto reduced = reduced_dims(node, axes, type.rank());
  if (!reduced) return reduced.error();
  ir::Shape shape;
  for (size_t d = 0; d < reduced->size(); ++d) {
    if (!(*reduced)[d]) {
      shape.push_back((*type.shape)[d]);
    } else if (keeps_dims(node)) {
      shape.push_back(1);
    }
  }
  type.shape = std::move(shape);
  return std::vector{type};
}

Cost reduction_cost(const ir::Node& node) {
  Cost cost{.macs = 0, .flops = 1};
  if (const auto& shape = node.input(0)->type().shape) {
    for (const ir::Dim& dim : *shape) cost.flops *= dim.known() ? dim.value() : 1;
  }
  return cost;
}

Gradients apply_rule(ReducedRule rule, GradientBuilder& build, const ir::Node& node,
                     std::span<ir::Value* const> outputs) {
  ir::Value& x = *node.input(0);
  const ir::Tensor* named = nullptr;
  if (node.input(1) != nullptr) {
    const auto known = constant_ints(node, 1, "axes");
    if (!known) return known.error();
    named = node.input(1)->constant();
  }
  const ir::Tensor dense = named != nullptr ? named->dense() : ir::Tensor();
  const auto reduced = reduced_dims(node, named != nullptr ? &dense : nullptr, x.type().rank());
  if (!reduced) return reduced.error();
  ir::Ints axes;
  for (size_t d = 0; d < reduced->size(); ++d) {
    if ((*reduced)[d]) axes.push_back(static_cast<int64_t>(d));
  }
  const ir::Ints dropped = keeps_dims(node) ? ir::Ints{} : axes;
  const ir::DType dtype = x.type().dtype;
  const Term dy = unsqueeze(build.term(*outputs[0], dtype), dropped);
  return std::vector{rule({build.term(x), build.term(node.output()), dy, axes, dropped}).value};
}

Term share_among_equals(const Reduced& r) {
  const Term equals = cast(equal(r.x, r.y()), r.x.dtype);
  return equals * (r.dy / reduce_sum(equals, r.axes, /*keep_dims=*/true));
}

Result<ReductionPlan> plan_reduction(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto reduced = reduced_dims(node, inputs.size() > 1 ? inputs[1] : nullptr, x.rank());
  if (!reduced) return reduced.error();
  ReductionPlan plan;
  plan.walk.dims = x.dims();
  plan.walk.strides[0].resize(x.dims().size(), 0);
  int64_t stride = 1;
  for (size_t d = reduced->size(); d-- > 0;) {
    const int64_t dim = x.dims()[d];
    if ((*reduced)[d]) {
      plan.count *= dim;
      if (keeps_dims(node)) plan.out_dims.push_back(1);
    } else {
      plan.walk.strides[0][d] = stride;
      stride *= dim;
      plan.out_dims.push_back(dim);
    }
  }
  std::reverse(plan.out_dims.begin(), plan.out_dims.end());
  EDGESMITH_TRY(check_size(ir::DType::f64, plan.out_dims));  // the accumulators
  return plan;
}

}  // namespace edgesmith::ops
