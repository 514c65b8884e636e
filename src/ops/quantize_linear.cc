// SPDX-License-Identifier: Apache-2.0
// quantize_linear: code = saturate(round(x / scale) + zero_point), rounding halves to even; scales.h says which scale.
//
// Operands: x (f32, f16, bf16, i32), scale, optional zero_point (its type is the code's; default: attribute
// output_dtype, else u8, with zero point 0). Attributes: axis, block_size, output_dtype, precision, saturate. Codes: i2
// to i16, u2 to u16; 8-bit floats are not supported. The division is done in f32.
#include <string>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"
#include "ops/scales.h"

namespace edgesmith::ops::quantize_linear_op {
namespace {

using ir::DType;

bool is_code(DType dtype) { return ir::is_integer(dtype) && ir::dtype_bits(dtype) <= 16; }

DType code_type(const ir::Node& node, DType zero_point) {
  if (zero_point != DType::undefined) return zero_point;
  const int64_t stated = node.attributes().get_int("output_dtype", 0);
  if (stated == 0) return DType::u8;
  return stated > 0 && stated <= static_cast<int64_t>(DType::i2) ? static_cast<DType>(stated) : DType::undefined;
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"axis", AttributeKind::integer},
                                        {"block_size", AttributeKind::integer},
                                        {"output_dtype", AttributeKind::integer},
                                        {"precision", AttributeKind::integer},
                                        {"saturate", AttributeKind::integer}}));
  if (node.attributes().get_int("block_size", 0) < 0) return invalid_error("block_size is negative");
  const ir::Value* zero_point = node.input(2);
  if (zero_point != nullptr && zero_point->type().dtype == DType::undefined) return {};
  const DType code = code_type(node, zero_point != nullptr ? zero_point->type().dtype : DType::undefined);
  return is_code(code) ? Status{} : Status(unsupported_dtype(code));
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  const ir::Value* zero_point = node.input(2);
  const DType code = zero_point != nullptr ? zero_point->type().dtype : code_type(node, DType::undefined);
  return std::vector{ir::Type{code, node.input(0)->type().shape}};
}

// The codes as integers of 16 bits or fewer.
template <typename T>
ir::Tensor narrow(const ir::Dims& dims, const std::vector<int32_t>& codes) {
  return ir::Tensor::of<T>(dims, std::vector<T>(codes.begin(), codes.end()));
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &scale = *inputs[1];
  const ir::Tensor* zero_point = operand(inputs, 2);
  const DType code = code_type(node, zero_point != nullptr ? zero_point->dtype() : DType::undefined);
  if (!is_code(code)) return unsupported_dtype(code);
  for (const ir::Tensor* tensor : {&x, &scale}) {
    if (!ir::is_float(tensor->dtype()) && tensor->dtype() != DType::i32) return unsupported_dtype(tensor->dtype());
  }
  EDGESMITH_TRY(check_zero_point(scale, zero_point));
  const auto index = scale_index(node, x.dims(), scale.dims());
  if (!index) return index.error();
  const std::vector<float> reals = x.to_floats(), scales = scale.to_floats();
  const std::vector<int64_t> zeros =
      zero_point != nullptr ? zero_point->to_int64s() : std::vector<int64_t>(scales.size());
  std::vector<int32_t> codes(reals.size());
  for (size_t i = 0; i < reals.size(); ++i) {
    const auto k = static_cast<size_t>((*index)(static_cast<int64_t>(i)));
    codes[i] = ir::quantize_value(reals[i], scales[k], static_cast<int32_t>(zeros[k]), code);
  }
  if (code == DType::i16) return std::vector{narrow<int16_t>(x.dims(), codes)};
  if (code == DType::u16) return std::vector{narrow<uint16_t>(x.dims(), codes)};
  if (code == DType::u8) return std::vector{narrow<uint8_t>(x.dims(), codes)};
  return std::vector{pack(narrow<int8_t>(x.dims(), codes), code)};
}

}  // namespace

extern const OpInfo quantize_linear_info = {.kind = ir::OpKind::quantize_linear,
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

}  // namespace edgesmith::ops::quantize_linear_op
