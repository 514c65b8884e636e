// SPDX-License-Identifier: Apache-2.0
// Mean: y = the mean of the operands, element by element (added from the left, then divided by their number). One
// operand or more of one type, numpy broadcasting; no attributes. Types: f16, bf16, f32, f64.
#include "ops/broadcast.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::mean_op {
namespace {

struct Add {
  template <typename T>
  T operator()(T a, T b) const {
    return a + b;
  }
};

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  auto sum = evaluate_variadic<Add, FloatTypes>(node, inputs);
  if (!sum) return sum;
  const ir::Tensor& x = (*sum)[0];
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    ir::Tensor y = ir::Tensor::zeros(x.dtype(), x.dims());
    const auto from = x.data<T>();
    const auto to = y.mutable_data<T>();
    for (size_t i = 0; i < from.size(); ++i) to[i] = from[i] / static_cast<T>(inputs.size());
    return std::vector{std::move(y)};
  });
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term share = build.term(*outputs[0], node.output().type().dtype) / static_cast<double>(node.num_inputs());
  std::vector<ir::Value*> gradients(static_cast<size_t>(node.num_inputs()));
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (build.wants(i)) gradients[static_cast<size_t>(i)] = sum_to(share, node.output(), *node.input(i)).value;
  }
  return gradients;
}

}  // namespace

extern const OpInfo mean_info = {.kind = ir::OpKind::mean,
                                 .min_inputs = 1,
                                 .max_inputs = -1,
                                 .min_outputs = 1,
                                 .max_outputs = 1,
                                 .verify = verify_broadcast,
                                 .infer = infer_broadcast,
                                 .eval = half_as_float<eval>,
                                 .cost = variadic_cost,
                                 .quant = nullptr,
                                 .channels = broadcast_slices,
                                 .gradient = gradient};

}  // namespace edgesmith::ops::mean_op
