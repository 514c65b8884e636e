// SPDX-License-Identifier: Apache-2.0
// average_pool: the mean of every window of x [N, C, spatial...].
//
// Attributes: auto_pad, ceil_mode, count_include_pad, dilations, kernel_shape, pads, strides. Padding counts in the
// divisor only with count_include_pad, and what overhangs the padding (ceil_mode) never does. f32, f64; f16 and bf16
// through f32.
#include "ops/dispatch.h"
#include "ops/gradient_rules.h"
#include "ops/pool.h"
#include "ops/slices.h"

namespace edgesmith::ops::average_pool_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(verify_pool(node, {{"count_include_pad", AttributeKind::integer}}));
  return check_flag(node, "count_include_pad");
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto window = pool_window(node, x);
  if (!window) return window.error();
  const bool count_pads = node.attributes().get_int("count_include_pad", 0) != 0;
  auto y = make_tensor(x.dtype(), pooled_dims(x, *window));
  if (!y) return y.error();
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    pool_planes<T>(x, *window, y->mutable_data<T>().data(),
                   [&](const T* plane, int64_t, const Taps& taps) { return average_of(plane, taps, count_pads); });
    return std::vector{std::move(*y)};
  });
}

QuantFacts quant(const ir::Node&) { return {.kind = QuantFacts::Kind::compute, .data_operands = {0}}; }

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Node& spread =
      build.append_node(ir::OpKind::average_pool_gradient, {outputs[0], &build.shape_of(*node.input(0))}, 1);
  for (const auto& [name, value] : node.attributes()) spread.attributes().set(name, value);
  return std::vector{&spread.output()};
}

}  // namespace

extern const OpInfo average_pool_info = {.kind = ir::OpKind::average_pool,
                                         .min_inputs = 1,
                                         .max_inputs = 1,
                                         .min_outputs = 1,
                                         .max_outputs = 1,
                                         .verify = verify,
                                         .infer = infer_pool,
                                         .eval = half_as_float<eval>,
                                         .cost = nullptr,
                                         .quant = quant,
                                         .channels = same_planes,
                                         .gradient = gradient};

}  // namespace edgesmith::ops::average_pool_op
