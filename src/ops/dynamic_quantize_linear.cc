// SPDX-License-Identifier: Apache-2.0
// dynamic_quantize_linear: u8 codes of x with a scale and a zero point that span its range with zero in it. Outputs:
// codes like x, scale (f32 scalar) = (max(0, x) - min(0, x)) / 255, zero point (u8 scalar), halves to even. f32.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::dynamic_quantize_linear_op {
namespace {

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  return std::vector{ir::Type{ir::DType::u8, node.input(0)->type().shape}, ir::Type{ir::DType::f32, ir::Shape{}},
                     ir::Type{ir::DType::u8, ir::Shape{}}};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  if (x.dtype() != ir::DType::f32) return unsupported_dtype(x.dtype());
  const auto from = x.data<float>();
  float least = 0, largest = 0;
  for (const float value : from) {
    if (!std::isfinite(value)) return invalid_error("x holds NaN or infinity");
    least = std::min(least, value);
    largest = std::max(largest, value);
  }
  const float range = largest - least, scale = range > 0 ? range / 255 : 1.0F;
  if (!std::isfinite(range)) return invalid_error("the range of x is not finite");
  const float zero = std::nearbyint(std::clamp(-least / scale, 0.0F, 255.0F));
  ir::Tensor codes = ir::Tensor::zeros(ir::DType::u8, x.dims());
  const auto to = codes.mutable_data<uint8_t>();
  for (size_t i = 0; i < from.size(); ++i) {
    to[i] = static_cast<uint8_t>(std::clamp(std::nearbyint(from[i] / scale) + zero, 0.0F, 255.0F));
  }
  return std::vector{std::move(codes), ir::Tensor::scalar<float>(scale),
                     ir::Tensor::scalar<uint8_t>(static_cast<uint8_t>(zero))};
}

}  // namespace

extern const OpInfo dynamic_quantize_linear_info = {.kind = ir::OpKind::dynamic_quantize_linear,
                                                    .min_inputs = 1,
                                                    .max_inputs = 1,
                                                    .min_outputs = 3,
                                                    .max_outputs = 3,
                                                    .verify = no_attributes,
                                                    .infer = infer,
                                                    .eval = eval,
                                                    .cost = nullptr,
                                                    .quant = nullptr,
                                                    .no_gradient = kIntegerCodes};

}  // namespace edgesmith::ops::dynamic_quantize_linear_op
