// SPDX-License-Identifier: Apache-2.0
// trilu: the upper (attribute `upper` = 1, the default) or lower triangle of every matrix [..., M, N] of x, zeros
// elsewhere. Operand k (i64, one number; absent: 0): the diagonal that bounds it, above the main one when positive.
// Any element type.
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"
#include "ops/places.h"

namespace edgesmith::ops::trilu_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"upper", AttributeKind::integer}}));
  return check_flag(node, "upper");
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return std::vector{node.input(0)->type()}; }

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  if (x.rank() < 2) return invalid_error("x is " + x.type().text() + ", needs two dims or more");
  int64_t k = 0;
  if (const ir::Tensor* diagonal = operand(inputs, 1)) {
    const auto numbers = read_ints(*diagonal, "k");
    if (!numbers) return numbers.error();
    if (numbers->size() != 1) return invalid_error("k is " + diagonal->type().text() + ", must be one number");
    k = numbers->front();
  }
  const int64_t rows = x.dims()[x.dims().size() - 2], columns = x.dims().back();
  k = std::min(std::max(k, -rows - 1), columns + 1);
  const bool upper = node.attributes().get_int("upper", 1) != 0;
  std::vector<int64_t> places(static_cast<size_t>(x.size()));
  for (size_t i = 0; i < places.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const int64_t above = at % columns - at / columns % rows - k;
    places[i] = (upper ? above >= 0 : above <= 0) ? at : -1;
  }
  auto y = take_places(x, std::move(places), x.dims());
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Node& kept = build.append_node(ir::OpKind::trilu, {outputs[0], node.input(1)}, 1);
  for (const auto& [name, value] : node.attributes()) kept.attributes().set(name, value);
  return std::vector{&kept.output()};
}

}  // namespace

extern const OpInfo trilu_info = {.kind = ir::OpKind::trilu,
                                  .min_inputs = 1,
                                  .max_inputs = 2,
                                  .min_outputs = 1,
                                  .max_outputs = 1,
                                  .verify = verify,
                                  .infer = infer,
                                  .eval = eval,
                                  .cost = no_cost,
                                  .quant = nullptr,
                                  .gradient = gradient};

}  // namespace edgesmith::ops::trilu_op
