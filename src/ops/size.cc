// SPDX-License-Identifier: Apache-2.0
// size: the number of elements of x, an i64 scalar. Any element type.
#include <string>

#include "ops/check.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::size_op {
namespace {

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  const auto& shape = node.input(0)->type().shape;
  int64_t count = 1;
  bool known = shape.has_value();
  for (size_t d = 0; known && d < shape->size(); ++d) {
    known = (*shape)[d].known() && !__builtin_mul_overflow(count, (*shape)[d].value(), &count);
  }
  if (known) context.set_contents(node, 0, {ir::Dim(count)});
  return std::vector{ir::Type{ir::DType::i64, ir::Shape{}}};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  return std::vector{ir::Tensor::scalar<int64_t>(inputs[0]->size())};
}

}  // namespace

extern const OpInfo size_info = {.kind = ir::OpKind::size,
                                 .min_inputs = 1,
                                 .max_inputs = 1,
                                 .min_outputs = 1,
                                 .max_outputs = 1,
                                 .verify = no_attributes,
                                 .infer = infer,
                                 .eval = eval,
                                 .cost = no_cost,
                                 .quant = nullptr,
                                 .no_gradient = kShapeCode};

}  // namespace edgesmith::ops::size_op
