// SPDX-License-Identifier: Apache-2.0
#include "ops/taper.h"

#include <cmath>
#include <numbers>
#include <string>

#include "ops/cast.h"
#include "ops/check.h"
#include "ops/elements.h"
#include "ops/operands.h"

namespace edgesmith::ops {
namespace {

Result<ir::DType> type_of(const ir::Node& node) {
  const int64_t number = node.attributes().get_int("output_datatype", 1);
  if (number < 1 || number > static_cast<int64_t>(ir::DType::i2)) {
    return invalid_error("output_datatype is " + std::to_string(number) + ", no element type has that number");
  }
  return static_cast<ir::DType>(number);
}

Result<int64_t> size_of(const ir::Tensor& operand) {
  const auto numbers = read_ints(operand, "size");
  if (!numbers) return numbers.error();
  if (numbers->size() != 1 || numbers->front() < 0) return invalid_error("size must be one number, not negative");
  return numbers->front();
}

}  // namespace

Status verify_taper(const ir::Node& node) {
  EDGESMITH_TRY(
      check_attributes(node, {{"output_datatype", AttributeKind::integer}, {"periodic", AttributeKind::integer}}));
  EDGESMITH_TRY(check_flag(node, "periodic"));
  const auto dtype = type_of(node);
  return dtype ? Status{} : dtype.error();
}

Result<std::vector<ir::Type>> infer_taper(const ir::Node& node, InferContext& context) {
  const auto dtype = type_of(node);
  if (!dtype) return dtype.error();
  ir::Type type{*dtype, ir::Shape(1)};
  if (const ir::Tensor* operand = context.constant(node, 0)) {
    const auto size = size_of(*operand);
    if (!size) return size.error();
    type.shape->front() = ir::Dim(*size);
  }
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> evaluate_taper(const ir::Node& node, std::span<const ir::Tensor* const> inputs,
                                               double a0, double a1, double a2) {
  const auto dtype = type_of(node);
  if (!dtype) return dtype.error();
  const auto size = size_of(*inputs[0]);
  if (!size) return size.error();
  auto y = make_tensor(ir::DType::f64, {*size});
  if (!y) return y.error();
  const bool periodic = node.attributes().get_int("periodic", 1) != 0;
  const double steps = static_cast<double>(periodic ? *size : *size - 1);
  const auto to = y->mutable_data<double>();
  for (size_t n = 0; n < to.size(); ++n) {
    const double angle = steps > 0 ? 2 * std::numbers::pi * static_cast<double>(n) / steps : 0;
    to[n] = a0 - a1 * std::cos(angle) + a2 * std::cos(2 * angle);
  }
  auto cast = cast_elements(*y, *dtype);
  if (!cast) return cast.error();
  return std::vector{std::move(*cast)};
}

}  // namespace edgesmith::ops
