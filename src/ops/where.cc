// SPDX-License-Identifier: Apache-2.0
// where: y = condition ? a : b element by element; the three operands (condition boolean, a and b of one element type)
// broadcast together. Any element type.
#include "ops/broadcast.h"
#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"
#include "ops/slices.h"

namespace edgesmith::ops::where_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(no_attributes(node));
  const ir::DType condition = node.input(0)->type().dtype;
  if (condition != ir::DType::undefined && condition != ir::DType::boolean) {
    return invalid_error("condition is " + node.input(0)->type().text() + ", must be bool");
  }
  return check_same_dtype(node, {1, 2});
}

// Chosen contents of small integer vectors of one length under a known condition.
void infer_contents(const ir::Node& node, InferContext& context, const ir::Type& type) {
  const ir::Tensor* condition = context.constant(node, 0);
  const auto a = context.contents(node, 1), b = context.contents(node, 2);
  if (condition == nullptr || condition->dtype() != ir::DType::boolean || !a || !b || type.rank() != 1) return;
  const std::vector<int64_t> chosen = condition->to_int64s();
  const size_t size = chosen.size();
  if (condition->rank() != 1 || a->size() != size || b->size() != size) return;
  ir::Shape contents;
  for (size_t i = 0; i < size; ++i) contents.push_back(chosen[i] != 0 ? (*a)[i] : (*b)[i]);
  context.set_contents(node, 0, std::move(contents));
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  auto shape = broadcast_operands(node);
  if (!shape) return shape.error();
  const ir::DType dtype = node.input(1)->type().dtype;
  ir::Type type{dtype != ir::DType::undefined ? dtype : node.input(2)->type().dtype, std::move(*shape)};
  infer_contents(node, context, type);
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  if (inputs[0]->dtype() != ir::DType::boolean || inputs[1]->dtype() != inputs[2]->dtype()) {
    return invalid_error("operands are " + inputs[0]->type().text() + ", " + inputs[1]->type().text() + " and " +
                         inputs[2]->type().text());
  }
  auto dims = broadcast_dims(inputs[1]->dims(), inputs[2]->dims());
  if (dims.ok()) dims = broadcast_dims(inputs[0]->dims(), *dims);
  if (!dims) return dims.error();
  std::vector<ir::Tensor> full;
  for (size_t i = 0; i < 3; ++i) {
    auto tensor = rearrange(*inputs[i], *dims, broadcast_strides(inputs[i]->dims(), *dims));
    if (!tensor) return tensor.error();
    full.push_back(std::move(*tensor));
  }
  auto y = choose(full[0], full[1], full[2]);
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term dy = build.term(*outputs[0], node.output().type().dtype), condition = build.term(*node.input(0));
  const Term zero = build.number(0, dy.dtype);
  std::vector<ir::Value*> gradients(3);
  if (build.wants(1)) gradients[1] = sum_to(where(condition, dy, zero), node.output(), *node.input(1)).value;
  if (build.wants(2)) {
    const Term other{&build, &build.append(ir::OpKind::where, {condition.value, zero.value, dy.value}), dy.dtype};
    gradients[2] = sum_to(other, node.output(), *node.input(2)).value;
  }
  return gradients;
}

}  // namespace

extern const OpInfo where_info = {.kind = ir::OpKind::where,
                                  .min_inputs = 3,
                                  .max_inputs = 3,
                                  .min_outputs = 1,
                                  .max_outputs = 1,
                                  .verify = verify,
                                  .infer = infer,
                                  .eval = eval,
                                  .cost = nullptr,
                                  .quant = nullptr,
                                  .channels = broadcast_slices,
                                  .gradient = gradient};

}  // namespace edgesmith::ops::where_op
