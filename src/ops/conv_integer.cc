// SPDX-License-Identifier: Apache-2.0
// conv_integer: conv of 8-bit operands less their zero points, as i32. Operands: x, weight, optional zero points of x
// (one) and of the weight (one, or one an output channel). Attributes as for conv. i8, u8.
#include "ops/check.h"
#include "ops/gradient_rules.h"
#include "ops/integer_operands.h"
#include "ops/operands.h"

namespace edgesmith::ops::conv_integer_op {
namespace {

Status verify(const ir::Node& node) {
  return check_attributes(node, {{"auto_pad", AttributeKind::text},
                                 {"dilations", AttributeKind::integers},
                                 {"group", AttributeKind::integer},
                                 {"kernel_shape", AttributeKind::integers},
                                 {"pads", AttributeKind::integers},
                                 {"strides", AttributeKind::integers}});
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  auto types = find_op(ir::OpKind::conv)->infer(node, context);
  if (types.ok()) types->front().dtype = ir::DType::i32;
  return types;
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const auto x = without_zero_point(*inputs[0], operand(inputs, 2), -1);
  if (!x) return x.error();
  const auto weight = without_zero_point(*inputs[1], operand(inputs, 3), 0);
  if (!weight) return weight.error();
  const std::vector<const ir::Tensor*> reals = {&*x, &*weight};
  const auto sums = find_op(ir::OpKind::conv)->eval(node, reals);
  if (!sums) return sums.error();
  return std::vector{as_int32(sums->front())};
}

Cost cost(const ir::Node& node) { return find_op(ir::OpKind::conv)->cost(node); }

}  // namespace

extern const OpInfo conv_integer_info = {.kind = ir::OpKind::conv_integer,
                                         .min_inputs = 2,
                                         .max_inputs = 4,
                                         .min_outputs = 1,
                                         .max_outputs = 1,
                                         .verify = verify,
                                         .infer = infer,
                                         .eval = eval,
                                         .cost = cost,
                                         .quant = nullptr,
                                         .no_gradient = kIntegerCodes};

}  // namespace edgesmith::ops::conv_integer_op
