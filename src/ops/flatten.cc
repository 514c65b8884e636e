// SPDX-License-Identifier: Apache-2.0
// Flatten: the elements in the same order as a matrix [product of the dims before `axis`, product of the others].
// Attribute: axis = 1, in [-rank, rank]. Any type. Quantized: the codes of the operand.
#include <string>

#include "ops/check.h"
#include "ops/contents.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/slices.h"

namespace edgesmith::ops::flatten_op {
namespace {

Status verify(const ir::Node& node) { return check_attributes(node, {{"axis", AttributeKind::integer}}); }

Result<ir::Shape> flattened(const ir::Node& node, const ir::Shape& shape) {
  const int64_t axis = node.attributes().get_int("axis", 1);
  const auto rank = static_cast<int64_t>(shape.size());
  if (axis < -rank || axis > rank) {
    return invalid_error("axis " + std::to_string(axis) + " is out of range for rank " + std::to_string(rank));
  }
  const auto cut = shape.begin() + (axis < 0 ? axis + rank : axis);
  return ir::Shape{product(ir::Shape(shape.begin(), cut)), product(ir::Shape(cut, shape.end()))};
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  const ir::Type& x = node.input(0)->type();
  ir::Type type{x.dtype, ir::Shape(2)};
  if (!x.has_rank()) return std::vector{type};
  auto shape = flattened(node, *x.shape);
  if (!shape) return shape.error();
  type.shape = std::move(*shape);
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto shape = flattened(node, ir::to_shape(x.dims()));
  if (!shape) return shape.error();
  const auto dims = ir::Type{x.dtype(), *shape}.static_dims();
  if (!dims) return invalid_error("the dims of " + x.type().text() + " are too large to be multiplied");
  return std::vector{x.reshaped(*dims)};
}

std::optional<ChannelRelation> channels(const ir::Node& node, int axis) { return reshaped_slices(node, axis); }

}  // namespace

extern const OpInfo flatten_info = {.kind = ir::OpKind::flatten,
                                    .min_inputs = 1,
                                    .max_inputs = 1,
                                    .min_outputs = 1,
                                    .max_outputs = 1,
                                    .verify = verify,
                                    .infer = infer,
                                    .eval = eval,
                                    .cost = no_cost,
                                    .quant = transparent_one,
                                    .channels = channels,
                                    .gradient = reshaped_gradient};

}  // namespace edgesmith::ops::flatten_op
