// SPDX-License-Identifier: Apache-2.0
// cast_like: x with the element type of the second operand, whose values do not matter; conversions and what is not
// supported as for cast.
#include "ops/cast.h"
#include "ops/check.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::cast_like_op {
namespace {

Status verify(const ir::Node& node) { return check_attributes(node, {{"saturate", AttributeKind::integer}}); }

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  return std::vector{ir::Type{node.input(1)->type().dtype, node.input(0)->type().shape}};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  auto y = cast_elements(*inputs[0], inputs[1]->dtype());
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

// Between floats; the values of the second operand do not matter.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term dy = build.term(*outputs[0], node.output().type().dtype);
  return std::vector<ir::Value*>{cast(dy, node.input(0)->type().dtype).value, nullptr};
}

}  // namespace

extern const OpInfo cast_like_info = {.kind = ir::OpKind::cast_like,
                                      .min_inputs = 2,
                                      .max_inputs = 2,
                                      .min_outputs = 1,
                                      .max_outputs = 1,
                                      .verify = verify,
                                      .infer = infer,
                                      .eval = eval,
                                      .cost = nullptr,
                                      .quant = nullptr,
                                      .gradient = gradient};

}  // namespace edgesmith::ops::cast_like_op
