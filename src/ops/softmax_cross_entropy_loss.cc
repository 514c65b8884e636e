// SPDX-License-Identifier: Apache-2.0
// softmax_cross_entropy_loss: the negative log likelihood of log_softmax(x) over the classes, axis 1 of scores x [N,
// C, ...]; class_loss.h says what the operands and attributes mean. Outputs: the loss, and on request the log
// probabilities. f32, f64; f16 and bf16 through f32.
#include <algorithm>
#include <cmath>

#include "ops/class_loss.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"

namespace edgesmith::ops::softmax_cross_entropy_loss_op {
namespace {

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  std::vector<ir::Type> types = {class_loss_type(node)};
  if (node.num_outputs() > 1) types.push_back(node.input(0)->type());
  return types;
}

Result<ir::Tensor> log_probabilities(const ir::Tensor& x) {
  if (x.rank() < 2) return invalid_error("x is " + x.type().text() + ", needs two dims or more");
  const int64_t classes = x.dims()[1], step = strides_of(x.dims())[1];
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<ir::Tensor> {
    ir::Tensor y = ir::Tensor::zeros(x.dtype(), x.dims());
    const T* from = x.data<T>().data();
    T* to = y.mutable_data<T>().data();
    for (int64_t line = 0; classes > 0 && line < x.size() / classes; ++line) {
      const int64_t start = line / step * step * classes + line % step;
      T largest = from[start];
      for (int64_t c = 1; c < classes; ++c) largest = std::max(largest, from[start + c * step]);
      double sum = 0;
      for (int64_t c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(from[start + c * step] - largest));
      const T total = largest + static_cast<T>(std::log(sum));
      for (int64_t c = 0; c < classes; ++c) to[start + c * step] = from[start + c * step] - total;
    }
    return y;
  });
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  auto probabilities = log_probabilities(*inputs[0]);
  if (!probabilities) return probabilities.error();
  auto loss = class_loss(node, *probabilities, *inputs[1], operand(inputs, 2));
  if (!loss) return loss.error();
  std::vector<ir::Tensor> results = {std::move(*loss)};
  if (node.num_outputs() > 1) results.push_back(std::move(*probabilities));
  return results;
}

// Through the loss and the log probabilities l alike: dx = dl - exp(l) * sum of dl over the classes.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term x = build.term(*node.input(0));
  const Term l = node.num_outputs() > 1
                     ? build.term(node.output(1))
                     : build.term(build.append(ir::OpKind::log_softmax, {x.value}, {{"axis", int64_t{1}}}), x.dtype);
  Term dl;
  std::vector<ir::Value*> gradients(3);
  if (outputs[0] != nullptr) {
    const ClassLossGradients through = class_loss_gradients(node, l, build.term(*outputs[0], x.dtype));
    dl = through.x;
    gradients[2] = through.weights.value;
  }
  if (outputs.size() > 1 && outputs[1] != nullptr) {
    const Term given = build.term(*outputs[1], x.dtype);
    dl = dl.value == nullptr ? given : dl + given;
  }
  gradients[0] = (dl - exp(l) * reduce_sum(dl, {1}, /*keep_dims=*/true)).value;
  return gradients;
}

}  // namespace

extern const OpInfo softmax_cross_entropy_loss_info = {.kind = ir::OpKind::softmax_cross_entropy_loss,
                                                       .min_inputs = 2,
                                                       .max_inputs = 3,
                                                       .min_outputs = 1,
                                                       .max_outputs = 2,
                                                       .verify = verify_class_loss,
                                                       .infer = infer,
                                                       .eval = half_as_float<eval>,
                                                       .cost = nullptr,
                                                       .quant = nullptr,
                                                       .gradient = gradient};

}  // namespace edgesmith::ops::softmax_cross_entropy_loss_op
