// SPDX-License-Identifier: Apache-2.0
// mat_mul_integer: mat_mul of 8-bit operands less their zero points, as i32. Operands: a, b, optional zero points of a
// (one, or one a row of a matrix) and of b (one, or one a column). i8, u8.
#include "ops/check.h"
#include "ops/gradient_rules.h"
#include "ops/integer_operands.h"
#include "ops/operands.h"

namespace edgesmith::ops::mat_mul_integer_op {
namespace {

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  auto types = find_op(ir::OpKind::mat_mul)->infer(node, context);
  if (types.ok()) types->front().dtype = ir::DType::i32;
  return types;
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &a = *inputs[0], &b = *inputs[1];
  const auto left = without_zero_point(a, operand(inputs, 2), a.rank() == 2 ? 0 : -1);
  if (!left) return left.error();
  const auto right = without_zero_point(b, operand(inputs, 3), b.rank() - 1);
  if (!right) return right.error();
  const std::vector<const ir::Tensor*> reals = {&*left, &*right};
  const auto sums = find_op(ir::OpKind::mat_mul)->eval(node, reals);
  if (!sums) return sums.error();
  return std::vector{as_int32(sums->front())};
}

Cost cost(const ir::Node& node) { return find_op(ir::OpKind::mat_mul)->cost(node); }

}  // namespace

extern const OpInfo mat_mul_integer_info = {.kind = ir::OpKind::mat_mul_integer,
                                            .min_inputs = 2,
                                            .max_inputs = 4,
                                            .min_outputs = 1,
                                            .max_outputs = 1,
                                            .verify = no_attributes,
                                            .infer = infer,
                                            .eval = eval,
                                            .cost = cost,
                                            .quant = nullptr,
                                            .no_gradient = kIntegerCodes};

}  // namespace edgesmith::ops::mat_mul_integer_op
