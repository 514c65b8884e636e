// SPDX-License-Identifier: Apache-2.0
// Clip: y = min(max, max(x, min)); where min > max, max. The bounds are optional scalars of the type of x (absent: no
// bound). Shape and type as x; no attributes. NaN stays NaN. Types: every integer of 8 to 64 bits, f16, bf16, f32, f64.
// Quantized: a clamp that disappears into the output range of its producer.
#include <numeric>

#include "ops/gradient_rules.h"
#include "ops/unary.h"

namespace edgesmith::ops::clip_op {
namespace {

Status check_bound(const ir::Type& bound, const ir::Type& x) {
  const bool one_dtype =
      bound.dtype == x.dtype || x.dtype == ir::DType::undefined || bound.dtype == ir::DType::undefined;
  // ONNX says a scalar; converters write [1] too, and every runtime takes it.
  const bool one_element = !bound.has_rank() || bound.rank() == 0 ||
                           (bound.rank() == 1 && (!(*bound.shape)[0].known() || (*bound.shape)[0].value() == 1));
  if (one_dtype && one_element) return {};
  return invalid_error("a bound is " + bound.text() + ", must be a scalar of the type of " + x.text());
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(no_attributes(node));
  for (int i = 1; i < node.num_inputs(); ++i) {
    if (node.input(i) != nullptr) EDGESMITH_TRY(check_bound(node.input(i)->type(), node.input(0)->type()));
  }
  return {};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  for (size_t i = 1; i < inputs.size(); ++i) {
    if (inputs[i] != nullptr) EDGESMITH_TRY(check_bound(inputs[i]->type(), x.type()));
  }
  const ir::Tensor* lower = inputs.size() > 1 ? inputs[1] : nullptr;
  const ir::Tensor* upper = inputs.size() > 2 ? inputs[2] : nullptr;
  return dispatch(NumberTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    ir::Tensor y = ir::Tensor::zeros(x.dtype(), x.dims());
    const auto from = x.data<T>();
    const auto to = y.mutable_data<T>();
    for (size_t i = 0; i < from.size(); ++i) {
      to[i] = from[i];
      if (lower != nullptr && to[i] < lower->data<T>()[0]) to[i] = lower->data<T>()[0];
      if (upper != nullptr && to[i] > upper->data<T>()[0]) to[i] = upper->data<T>()[0];
    }
    return std::vector{std::move(y)};
  });
}

// What a bound has moved goes to that bound.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term dy = build.term(*outputs[0], node.output().type().dtype), zero = build.number(0, dy.dtype);
  const Term x = build.term(*node.input(0)), y = build.term(node.output());
  ir::Ints all(node.output().type().shape->size());
  std::iota(all.begin(), all.end(), 0);
  std::vector<ir::Value*> gradients(3);
  Term dx = dy;
  for (int i = 1; i < node.num_inputs(); ++i) {
    if (node.input(i) == nullptr) continue;
    const Term bound = build.term(*node.input(i));
    if (build.wants(0)) dx = where(i == 1 ? greater(y, bound) : less(y, bound), dx, zero);
    if (!build.wants(i)) continue;
    const Term moved = where(equal(y, bound), where(equal(x, y), zero, dy), zero);
    gradients[static_cast<size_t>(i)] = reshape_like(reduce_sum(moved, all, /*keep_dims=*/false), *node.input(i)).value;
  }
  gradients[0] = dx.value;
  return gradients;
}

}  // namespace

extern const OpInfo clip_info = {.kind = ir::OpKind::clip,
                                 .min_inputs = 1,
                                 .max_inputs = 3,
                                 .min_outputs = 1,
                                 .max_outputs = 1,
                                 .verify = verify,
                                 .infer = infer_unary,
                                 .eval = half_as_float<eval>,
                                 .cost = nullptr,
                                 .quant = clamp_one,
                                 .channels = same_slices,
                                 .gradient = gradient};

}  // namespace edgesmith::ops::clip_op
