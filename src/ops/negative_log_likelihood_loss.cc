// SPDX-License-Identifier: Apache-2.0
// negative_log_likelihood_loss: -weight[target] * x[target] of log probabilities x [N, C, ...]; class_loss.h says what
// the operands and attributes mean. f32, f64; f16 and bf16 through f32.
#include "ops/class_loss.h"
#include "ops/dispatch.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"

namespace edgesmith::ops::negative_log_likelihood_loss_op {
namespace {

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return std::vector{class_loss_type(node)}; }

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  auto loss = class_loss(node, *inputs[0], *inputs[1], operand(inputs, 2));
  if (!loss) return loss.error();
  return std::vector{std::move(*loss)};
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term x = build.term(*node.input(0));
  const ClassLossGradients gradients = class_loss_gradients(node, x, build.term(*outputs[0], x.dtype));
  return std::vector<ir::Value*>{gradients.x.value, nullptr, gradients.weights.value};
}

}  // namespace

extern const OpInfo negative_log_likelihood_loss_info = {.kind = ir::OpKind::negative_log_likelihood_loss,
                                                         .min_inputs = 2,
                                                         .max_inputs = 3,
                                                         .min_outputs = 1,
                                                         .max_outputs = 1,
                                                         .verify = verify_class_loss,
                                                         .infer = infer,
                                                         .eval = half_as_float<eval>,
                                                         .cost = nullptr,
                                                         .quant = nullptr,
                                                         .gradient = gradient};

}  // namespace edgesmith::ops::negative_log_likelihood_loss_op
