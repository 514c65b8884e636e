// SPDX-License-Identifier: Apache-2.0
// global_max_pool: the largest element over all spatial positions of x [N, C, spatial...]; [N, C, 1...]. No attributes.
// f32, f64 and integers; f16 and bf16 through f32.
#include <limits>

#include "ops/dispatch.h"
#include "ops/gradient_rules.h"
#include "ops/pool.h"
#include "ops/slices.h"

namespace edgesmith::ops::global_max_pool_op {
namespace {

Status verify(const ir::Node& node) { return verify_global_pool(node, {}); }

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  EDGESMITH_TRY(check_global_pool(x.dims()));
  const Window window = global_window(x);
  auto y = make_tensor(x.dtype(), pooled_dims(x, window));
  if (!y) return y.error();
  return dispatch(NumberTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    pool_planes<T>(x, window, y->mutable_data<T>().data(), [&](const T* plane, int64_t, const Taps& taps) {
      const int64_t best = largest_of(plane, taps);
      return best < 0 ? std::numeric_limits<T>::lowest() : plane[best];
    });
    return std::vector{std::move(*y)};
  });
}

QuantFacts quant(const ir::Node&) { return {.kind = QuantFacts::Kind::transparent, .data_operands = {0}}; }

// Elements that equal the result share its gradient.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term x = build.term(*node.input(0)), y = build.term(node.output()), dy = build.term(*outputs[0], y.dtype);
  const Term equals = cast(equal(x, y), y.dtype);
  return std::vector{(equals * (dy / reduce_sum(equals, spatial_axes(*x.value), /*keep_dims=*/true))).value};
}

}  // namespace

extern const OpInfo global_max_pool_info = {.kind = ir::OpKind::global_max_pool,
                                            .min_inputs = 1,
                                            .max_inputs = 1,
                                            .min_outputs = 1,
                                            .max_outputs = 1,
                                            .verify = verify,
                                            .infer = infer_global_pool,
                                            .eval = half_as_float<eval>,
                                            .cost = nullptr,
                                            .quant = quant,
                                            .channels = same_planes,
                                            .gradient = gradient};

}  // namespace edgesmith::ops::global_max_pool_op
