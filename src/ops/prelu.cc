// SPDX-License-Identifier: Apache-2.0
// PRelu: y = x where x >= 0, slope * x below. slope is broadcast to the shape of x (and never widens it). No
// attributes. Types: i32, i64, u32, u64, f16, bf16, f32, f64.
// Quantized: computes codes of its own.
#include "ops/broadcast.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::prelu_op {
namespace {

struct PRelu {
  template <typename T>
  T operator()(T x, T slope) const {
    return x < T{0} ? wrapping_multiply(x, slope) : x;
  }
};

Error widens(const ir::Type& x, const ir::Type& slope) {
  return invalid_error("slope " + slope.text() + " does not broadcast to " + x.text());
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  const ir::Type& x = node.input(0)->type();
  const ir::Type& slope = node.input(1)->type();
  auto shape = broadcast_operands(node);
  if (!shape) return shape.error();
  if (shape->has_value() && (*shape)->size() > x.shape->size()) return widens(x, slope);
  return std::vector{x};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const auto dims = broadcast_dims(inputs[0]->dims(), inputs[1]->dims());
  if (!dims) return dims.error();
  if (*dims != inputs[0]->dims()) return widens(inputs[0]->type(), inputs[1]->type());
  using List = Join<FloatTypes, Types<int32_t, int64_t, uint32_t, uint64_t>>;
  return evaluate_binary<PRelu, List>(node, inputs);
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term dy = build.term(*outputs[0], node.output().type().dtype);
  const Term x = build.term(*node.input(0)), slope = build.term(*node.input(1));
  const Term below = less(x, 0);
  return both_sums(node, build.wants(0) ? where(below, dy * slope, dy) : dy,
                   build.wants(1) ? where(below, dy * x, 0) : dy);
}

}  // namespace

extern const OpInfo prelu_info = {.kind = ir::OpKind::prelu,
                                  .min_inputs = 2,
                                  .max_inputs = 2,
                                  .min_outputs = 1,
                                  .max_outputs = 1,
                                  .verify = verify_broadcast,
                                  .infer = infer,
                                  .eval = half_as_float<eval>,
                                  .cost = nullptr,
                                  .quant = compute_one,
                                  .channels = broadcast_slices,
                                  .gradient = gradient};

}  // namespace edgesmith::ops::prelu_op
