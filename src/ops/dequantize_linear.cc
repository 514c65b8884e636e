// SPDX-License-Identifier: Apache-2.0
// dequantize_linear: real = (code - zero_point) * scale; scales.h says which scale.
//
// Operands: x (codes: i2 to i16, u2 to u16, i32), scale (its type is the result's unless attribute output_dtype says
// another), optional zero_point of x's type. Attributes: axis, block_size, output_dtype. Computed in f32; results f32,
// f16, bf16. 8-bit floats are not supported.
#include <string>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"
#include "ops/scales.h"

namespace edgesmith::ops::dequantize_linear_op {
namespace {

using ir::DType;

bool is_code(DType dtype) { return (ir::is_integer(dtype) && ir::dtype_bits(dtype) <= 16) || dtype == DType::i32; }

DType real_type(const ir::Node& node, DType scale) {
  const int64_t stated = node.attributes().get_int("output_dtype", 0);
  if (stated == 0) return scale;
  return stated > 0 && stated <= static_cast<int64_t>(DType::i2) ? static_cast<DType>(stated) : DType::undefined;
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"axis", AttributeKind::integer},
                                        {"block_size", AttributeKind::integer},
                                        {"output_dtype", AttributeKind::integer}}));
  if (node.attributes().get_int("block_size", 0) < 0) return invalid_error("block_size is negative");
  const DType code = node.input(0)->type().dtype;
  if (code != DType::undefined && !is_code(code)) return unsupported_dtype(code);
  return check_same_dtype(node, {0, 2});
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  return std::vector{ir::Type{real_type(node, node.input(1)->type().dtype), node.input(0)->type().shape}};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &scale = *inputs[1];
  const ir::Tensor* zero_point = operand(inputs, 2);
  const DType real = real_type(node, scale.dtype());
  if (!is_code(x.dtype())) return unsupported_dtype(x.dtype());
  if (!ir::is_float(scale.dtype())) return unsupported_dtype(scale.dtype());
  if (!ir::is_float(real) || real == DType::f64) return unsupported_dtype(real);
  if (zero_point != nullptr && !is_code(zero_point->dtype())) return unsupported_dtype(zero_point->dtype());
  EDGESMITH_TRY(check_zero_point(scale, zero_point));
  const auto index = scale_index(node, x.dims(), scale.dims());
  if (!index) return index.error();
  const std::vector<int64_t> codes = x.to_int64s();
  const std::vector<float> scales = scale.to_floats();
  const std::vector<int64_t> zeros =
      zero_point != nullptr ? zero_point->to_int64s() : std::vector<int64_t>(scales.size());
  auto y = make_tensor(DType::f32, x.dims());
  if (!y) return y.error();
  const auto reals = y->mutable_data<float>();
  for (size_t i = 0; i < reals.size(); ++i) {
    const auto k = static_cast<size_t>((*index)(static_cast<int64_t>(i)));
    reals[i] = static_cast<float>(codes[i] - zeros[k]) * scales[k];
  }
  return std::vector{real == DType::f32 ? std::move(*y) : round_to_half(*y, real)};
}

}  // namespace

extern const OpInfo dequantize_linear_info = {.kind = ir::OpKind::dequantize_linear,
                                              .min_inputs = 2,
                                              .max_inputs = 3,
                                              .min_outputs = 1,
                                              .max_outputs = 1,
                                              .verify = verify,
                                              .infer = infer,
                                              .eval = eval,
                                              .cost = nullptr,
                                              .quant = nullptr,
                                              .no_gradient = kIntegerCodes};

}  // namespace edgesmith::ops::dequantize_linear_op
