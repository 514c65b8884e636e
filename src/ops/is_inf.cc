// SPDX-License-Identifier: Apache-2.0
// is_inf: true where x is infinite. Attributes detect_negative = 1 and detect_positive = 1: 0 leaves that sign out.
// Shape as x, boolean. f16, bf16, f32, f64.
#include <cmath>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::is_inf_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(
      node, {{"detect_negative", AttributeKind::integer}, {"detect_positive", AttributeKind::integer}}));
  EDGESMITH_TRY(check_flag(node, "detect_negative"));
  return check_flag(node, "detect_positive");
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  return std::vector{ir::Type{ir::DType::boolean, node.input(0)->type().shape}};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const bool negative = node.attributes().get_int("detect_negative", 1) != 0;
  const bool positive = node.attributes().get_int("detect_positive", 1) != 0;
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    ir::Tensor y = ir::Tensor::zeros(ir::DType::boolean, x.dims());
    const auto from = x.data<T>();
    const auto to = y.mutable_data<bool>();
    for (size_t i = 0; i < from.size(); ++i) to[i] = std::isinf(from[i]) && (from[i] < 0 ? negative : positive);
    return std::vector{std::move(y)};
  });
}

}  // namespace

extern const OpInfo is_inf_info = {.kind = ir::OpKind::is_inf,
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .min_outputs = 1,
                                   .max_outputs = 1,
                                   .verify = verify,
                                   .infer = infer,
                                   .eval = half_as_float<eval>,
                                   .cost = nullptr,
                                   .quant = nullptr,
                                   .no_gradient = kTruthValues};

}  // namespace edgesmith::ops::is_inf_op
