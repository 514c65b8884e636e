// SPDX-License-Identifier: Apache-2.0
// is_nan: true where x is NaN. Shape as x, boolean. f16, bf16, f32, f64.
#include <cmath>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::is_nan_op {
namespace {

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  return std::vector{ir::Type{ir::DType::boolean, node.input(0)->type().shape}};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    ir::Tensor y = ir::Tensor::zeros(ir::DType::boolean, x.dims());
    const auto from = x.data<T>();
    const auto to = y.mutable_data<bool>();
    for (size_t i = 0; i < from.size(); ++i) to[i] = std::isnan(from[i]);
    return std::vector{std::move(y)};
  });
}

}  // namespace

extern const OpInfo is_nan_info = {.kind = ir::OpKind::is_nan,
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .min_outputs = 1,
                                   .max_outputs = 1,
                                   .verify = no_attributes,
                                   .infer = infer,
                                   .eval = half_as_float<eval>,
                                   .cost = nullptr,
                                   .quant = nullptr,
                                   .no_gradient = kTruthValues};

}  // namespace edgesmith::ops::is_nan_op
