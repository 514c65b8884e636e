// SPDX-License-Identifier: Apache-2.0
// compress: the entries of x along `axis` where `condition` (a boolean vector, no longer than the axis) is true;
// without the attribute, of x as one vector. Any element type.
#include <string>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/places.h"

namespace edgesmith::ops::compress_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"axis", AttributeKind::integer}}));
  const ir::Type& condition = node.input(1)->type();
  if (condition.dtype != ir::DType::undefined && condition.dtype != ir::DType::boolean) {
    return invalid_error("condition is " + condition.text() + ", must be bool");
  }
  if (!node.attributes().has("axis") || !node.input(0)->type().has_rank()) return {};
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), node.input(0)->type().rank());
  return axis ? Status{} : axis.error();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  ir::Type type = node.input(0)->type();
  if (!node.attributes().has("axis")) return std::vector{ir::Type{type.dtype, ir::Shape(1)}};
  if (!type.shape) return std::vector{type};
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), type.rank());
  if (!axis) return axis.error();
  (*type.shape)[static_cast<size_t>(*axis)] = ir::Dim();
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& condition = *inputs[1];
  if (condition.dtype() != ir::DType::boolean || condition.rank() != 1) {
    return invalid_error("condition is " + condition.type().text() + ", must be a vector of bool");
  }
  const bool flat = !node.attributes().has("axis");
  const ir::Tensor x = flat ? inputs[0]->reshaped({inputs[0]->size()}) : *inputs[0];
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), x.rank());
  if (!axis) return axis.error();
  const auto at = static_cast<size_t>(*axis);
  if (condition.size() > x.dims()[at]) {
    return invalid_error("condition has " + std::to_string(condition.size()) + " entries for " +
                         std::to_string(x.dims()[at]) + " on axis " + std::to_string(*axis));
  }
  auto maps = identity_maps(x.dims());
  maps[at].clear();
  const auto chosen = condition.data<bool>();
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i]) maps[at].push_back(static_cast<int64_t>(i));
  }
  auto y = take(x, maps);
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

// The entries that were kept are gathered ones.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Value& x = *node.input(0);
  const bool flat = !node.attributes().has("axis");
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), flat ? 1 : x.type().rank());
  if (!axis) return axis.error();
  ir::Value& size = flat ? num_elements(build, x) : build.size_of(x, *axis);
  ir::Value& kept =
      build.append(ir::OpKind::compress, {&positions(build, size), node.input(1)}, {{"axis", int64_t{0}}});
  ir::Value& dx = build.append(ir::OpKind::gather_gradient, {outputs[0], &kept, &size}, {{"axis", int64_t{*axis}}});
  return std::vector{flat ? reshape_like(build.term(dx, x.type().dtype), x).value : &dx};
}

}  // namespace

extern const OpInfo compress_info = {.kind = ir::OpKind::compress,
                                     .min_inputs = 2,
                                     .max_inputs = 2,
                                     .min_outputs = 1,
                                     .max_outputs = 1,
                                     .verify = verify,
                                     .infer = infer,
                                     .eval = eval,
                                     .cost = no_cost,
                                     .quant = transparent_one,
                                     .gradient = gradient};

}  // namespace edgesmith::ops::compress_op
