// SPDX-License-Identifier: Apache-2.0
// Sum: y = the sum of the operands, element by element, added from the left. One operand or more of one type, numpy
// broadcasting; no attributes. Types: f16, bf16, f32, f64.
// Quantized: as Add, when there are two operands.
#include "ops/broadcast.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::sum_op {
namespace {

struct Sum {
  template <typename T>
  T operator()(T a, T b) const {
    return a + b;
  }
};

QuantFacts quant(const ir::Node& node) { return node.num_inputs() == 2 ? compute_two(node) : QuantFacts{}; }

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term dy = build.term(*outputs[0], node.output().type().dtype);
  std::vector<ir::Value*> gradients(static_cast<size_t>(node.num_inputs()));
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (build.wants(i)) gradients[static_cast<size_t>(i)] = sum_to(dy, node.output(), *node.input(i)).value;
  }
  return gradients;
}

}  // namespace

extern const OpInfo sum_info = {.kind = ir::OpKind::sum,
                                .min_inputs = 1,
                                .max_inputs = -1,
                                .min_outputs = 1,
                                .max_outputs = 1,
                                .verify = verify_broadcast,
                                .infer = infer_broadcast,
                                .eval = half_as_float<evaluate_variadic<Sum, FloatTypes>>,
                                .cost = variadic_cost,
                                .quant = quant,
                                .channels = broadcast_slices,
                                .gradient = gradient};

}  // namespace edgesmith::ops::sum_op
