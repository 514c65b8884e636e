// SPDX-License-Identifier: Apache-2.0
// gather_elements: y[i, j, ...] = x[i, indices[i, j, ...], ...], the index standing on `axis` (default 0; negative
// ones count from the end). Operands: x, indices (i32 or i64, x's rank, no larger than x beside the axis). Any element
// type.
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/places.h"

namespace edgesmith::ops::gather_elements_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"axis", AttributeKind::integer}}));
  const ir::Type& x = node.input(0)->type();
  if (!x.has_rank()) return {};
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), x.rank());
  return axis ? Status{} : axis.error();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  return std::vector{ir::Type{node.input(0)->type().dtype, node.input(1)->type().shape}};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &indices = *inputs[1];
  auto places = element_places(x, indices, node.attributes().get_int("axis", 0));
  if (!places) return places.error();
  auto y = take_places(x, std::move(*places), indices.dims());
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

// Of several elements that were picked from one, the gradients add up.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Value& x = *node.input(0);
  return std::vector{
      &build.append(ir::OpKind::scatter_elements, {zeros_like(build, x).value, node.input(1), outputs[0]},
                    {{"axis", node.attributes().get_int("axis", 0)}, {"reduction", std::string("add")}})};
}

}  // namespace

extern const OpInfo gather_elements_info = {.kind = ir::OpKind::gather_elements,
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

}  // namespace edgesmith::ops::gather_elements_op
