// SPDX-License-Identifier: Apache-2.0
// constant_of_shape: a tensor of the dims that the operand (i64 vector) lists, filled with the one element of the
// tensor attribute `value` (default: f32 zero). Any element type.
#include <string>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"

namespace edgesmith::ops::constant_of_shape_op {
namespace {

// The element to fill with.
ir::Tensor value_of(const ir::Node& node) {
  const ir::Attribute* value = node.attributes().find("value");
  return value != nullptr ? std::get<ir::Tensor>(*value).dense() : ir::Tensor::scalar<float>(0);
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"value", AttributeKind::tensor}}));
  const ir::Tensor value = value_of(node);
  if (value.size() == 1) return {};
  return invalid_error("attribute 'value' is " + value.type().text() + ", must have one element");
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  ir::Type type{value_of(node).dtype(), contents_or_unknowns(node, 0, context)};
  if (node.input(0)->type().rank() == 0) type.shape.reset();
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  auto dims = read_ints(*inputs[0], "shape");
  if (!dims) return dims.error();
  for (int64_t dim : *dims) {
    if (dim < 0) return invalid_error("shape contains " + std::to_string(dim));
  }
  const ir::Tensor value = value_of(node).reshaped({});
  auto filled = rearrange(value.reshaped(ir::Dims(dims->size(), 1)), *dims, ir::Dims(dims->size(), 0));
  if (!filled) return filled.error();
  return std::vector{std::move(*filled)};
}

}  // namespace

extern const OpInfo constant_of_shape_info = {.kind = ir::OpKind::constant_of_shape,
                                              .min_inputs = 1,
                                              .max_inputs = 1,
                                              .min_outputs = 1,
                                              .max_outputs = 1,
                                              .verify = verify,
                                              .infer = infer,
                                              .eval = eval,
                                              .cost = no_cost,
                                              .quant = nullptr,
                                              .no_gradient = kShapeCode};

}  // namespace edgesmith::ops::constant_of_shape_op
