// SPDX-License-Identifier: Apache-2.0
// eye_like: a matrix of x's dims with ones on diagonal `k` (default 0; above the main one when positive), zeros
// elsewhere. Attribute `dtype`: ONNX's number of the element type (default: that of x). Values of x do not matter. Any
// number or boolean type but the packed ones.
#include <string>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::eye_like_op {
namespace {

Result<ir::DType> type_of(const ir::Node& node, ir::DType x) {
  const int64_t number = node.attributes().get_int("dtype", static_cast<int64_t>(x));
  if (number < 0 || number > static_cast<int64_t>(ir::DType::i2)) {
    return invalid_error("attribute 'dtype' is " + std::to_string(number) + ", no element type has that number");
  }
  return static_cast<ir::DType>(number);
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"dtype", AttributeKind::integer}, {"k", AttributeKind::integer}}));
  const ir::Type& x = node.input(0)->type();
  if (x.has_rank() && x.rank() != 2) return invalid_error("x is " + x.text() + ", must be a matrix");
  const auto dtype = type_of(node, x.dtype);
  return dtype ? Status{} : dtype.error();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  ir::Type type = node.input(0)->type();
  const auto dtype = type_of(node, type.dtype);
  if (!dtype) return dtype.error();
  type.dtype = *dtype;
  if (!type.shape) type.shape = ir::Shape(2);
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> diagonal(const ir::Node& node, const ir::Dims& dims, ir::DType dtype) {
  return dispatch(NumberOrBoolTypes{}, dtype, [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    auto y = make_tensor(dtype, dims);
    if (!y) return y.error();
    const auto to = y->mutable_data<T>();
    const int64_t k = node.attributes().get_int("k", 0);
    for (int64_t row = 0; row < dims[0]; ++row) {
      int64_t column = 0;
      if (!__builtin_add_overflow(row, k, &column) && column >= 0 && column < dims[1]) {
        to[static_cast<size_t>(row * dims[1] + column)] = T(1);
      }
    }
    return std::vector{std::move(*y)};
  });
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  if (x.rank() != 2) return invalid_error("x is " + x.type().text() + ", must be a matrix");
  const auto dtype = type_of(node, x.dtype());
  if (!dtype) return dtype.error();
  const bool half = *dtype == ir::DType::f16 || *dtype == ir::DType::bf16;
  auto y = diagonal(node, x.dims(), half ? ir::DType::f32 : *dtype);
  if (y.ok() && half) (*y)[0] = round_to_half((*y)[0], *dtype);
  return y;
}

// Only the dims of x matter.
Gradients gradient(GradientBuilder&, const ir::Node&, std::span<ir::Value* const>) { return std::vector<ir::Value*>{}; }

}  // namespace

extern const OpInfo eye_like_info = {.kind = ir::OpKind::eye_like,
                                     .min_inputs = 1,
                                     .max_inputs = 1,
                                     .min_outputs = 1,
                                     .max_outputs = 1,
                                     .verify = verify,
                                     .infer = infer,
                                     .eval = eval,
                                     .cost = no_cost,
                                     .quant = nullptr,
                                     .gradient = gradient};

}  // namespace edgesmith::ops::eye_like_op
