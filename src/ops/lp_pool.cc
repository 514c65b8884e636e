// SPDX-License-Identifier: Apache-2.0
// lp_pool: (sum of |x|^p)^(1/p) of every window of x [N, C, spatial...].
//
// Attributes: auto_pad, ceil_mode, dilations, kernel_shape, p (at least 1, default 2), pads, strides. f32, f64; f16 and
// bf16 through f32.
#include "ops/dispatch.h"
#include "ops/gradient_rules.h"
#include "ops/pool.h"
#include "ops/slices.h"

namespace edgesmith::ops::lp_pool_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(verify_pool(node, {{"p", AttributeKind::integer}}));
  const int64_t p = node.attributes().get_int("p", 2);
  return p >= 1 ? Status{} : invalid_error("p is " + std::to_string(p) + ", must be at least 1");
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto window = pool_window(node, x);
  if (!window) return window.error();
  const int64_t p = node.attributes().get_int("p", 2);
  auto y = make_tensor(x.dtype(), pooled_dims(x, *window));
  if (!y) return y.error();
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    pool_planes<T>(x, *window, y->mutable_data<T>().data(),
                   [&](const T* plane, int64_t, const Taps& taps) { return lp_norm_of(plane, taps, p); });
    return std::vector{std::move(*y)};
  });
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const int64_t p = node.attributes().get_int("p", 2);
  const Term x = build.term(*node.input(0)), y = build.term(node.output()), dy = build.term(*outputs[0], y.dtype);
  ir::Node& spread =
      build.append_node(ir::OpKind::average_pool_gradient, {lp_norm_slope(dy, y, p).value, &build.shape_of(*x.value)},
                        1, {{"sum", int64_t{1}}});
  for (const auto& [name, value] : node.attributes()) {
    if (name != "p") spread.attributes().set(name, value);
  }
  return std::vector{(lp_norm_share(x, p) * build.term(spread.output(), y.dtype)).value};
}

}  // namespace

extern const OpInfo lp_pool_info = {.kind = ir::OpKind::lp_pool,
                                    .min_inputs = 1,
                                    .max_inputs = 1,
                                    .min_outputs = 1,
                                    .max_outputs = 1,
                                    .verify = verify,
                                    .infer = infer_pool,
                                    .eval = half_as_float<eval>,
                                    .cost = nullptr,
                                    .quant = nullptr,
                                    .channels = same_planes,
                                    .gradient = gradient};

}  // namespace edgesmith::ops::lp_pool_op
