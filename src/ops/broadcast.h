// SPDX-License-Identifier: Apache-2.0
// numpy broadcasting: shapes are aligned at their last dim; a dim of 1 stretches to the other's size. And the
// element-wise operators of two or more operands that follow it.
#pragma once

#include <functional>
#include <type_traits>
#include <vector>

#include "ops/check.h"
#include "ops/contents.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/integer_math.h"
#include "ops/strided_walk.h"
#include "ops/unary.h"

namespace edgesmith::ops {

/// The broadcast of two shapes. 1 against N is N, N against N is N, a number above 1 against a symbol is the number,
/// two different symbols are unknown. Errors: invalid, with both shapes.
Result<ir::Shape> broadcast_shapes(const ir::Shape& a, const ir::Shape& b);
/// The same for concrete dims. Errors: invalid.
Result<ir::Dims> broadcast_dims(const ir::Dims& a, const ir::Dims& b);
/// Strides that walk `dims` as broadcast to `to` (0 along stretched dims).
ir::Dims broadcast_strides(const ir::Dims& dims, const ir::Dims& to);
/// The shape of all operands of a node together; no shape when a rank is unknown.
Result<std::optional<ir::Shape>> broadcast_operands(const ir::Node& node);

/// Types for OpInfo::infer: all operands broadcast, element type of the first / boolean.
Result<std::vector<ir::Type>> infer_broadcast(const ir::Node& node, InferContext& context);
Result<std::vector<ir::Type>> infer_comparison(const ir::Node& node, InferContext& context);
/// infer_broadcast that follows shape arithmetic with kFunction.
template <ElementFunction kFunction>
Result<std::vector<ir::Type>> infer_arithmetic(const ir::Node& node, InferContext& context) {
  auto types = infer_broadcast(node, context);
  if (types.ok() && node.num_inputs() == 2) infer_binary_contents(node, context, kFunction);
  return types;
}

/// Gradients of two operands, each summed over the dims along which the operand was stretched; those not wanted are
/// left out.
Gradients both_sums(const ir::Node& node, const Term& a, const Term& b);
/// For OpInfo::gradient of Max and Min: the gradient goes to the first operand that equals the result.
Gradients winner_gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs);

/// No attributes; the operands have one element type.
Status verify_broadcast(const ir::Node& node);

/// One operation for each operand after the first and each element of the result.
Cost variadic_cost(const ir::Node& node);

/// Errors: invalid when the operands have different element types.
Status check_same_dtype(const ir::Tensor& a, const ir::Tensor& b);
/// Errors: invalid when an integer tensor holds a zero.
Status check_divisor(const ir::Tensor& divisor);

/// function(a[i], b[i]) over the broadcast of both, as elements of type R. Errors: invalid (shapes), io (an absurd
/// size).
template <typename A, typename B, typename R, typename Function>
Result<ir::Tensor> map_broadcast(const ir::Tensor& a, std::span<const A> a_data, const ir::Tensor& b,
                                 std::span<const B> b_data, const Function& function) {
  const auto dims = broadcast_dims(a.dims(), b.dims());
  if (!dims) return dims.error();
  Result<ir::Tensor> out = make_tensor(ir::dtype_of<R>(), *dims);
  if (!out) return out;
  R* to = out->mutable_data<R>().data();
  const StridedWalk<2> walk{*dims, {broadcast_strides(a.dims(), *dims), broadcast_strides(b.dims(), *dims)}};
  walk_runs(walk, [&](int64_t position, const auto& offsets, int64_t count, const auto& steps) {
    const A* x = a_data.data() + offsets[0];
    const B* y = b_data.data() + offsets[1];
    for (int64_t i = 0; i < count; ++i) to[position + i] = function(x[i * steps[0]], y[i * steps[1]]);
  });
  return out;
}

/// function over two operands of one element type; R is the element type of the result, void: the same.
template <typename Function, typename List, typename R>
Result<ir::Tensor> combine(const ir::Node& node, const ir::Tensor& a, const ir::Tensor& b) {
  EDGESMITH_TRY(check_same_dtype(a, b));
  return dispatch(List{}, a.dtype(), [&]<typename T>() -> Result<ir::Tensor> {
    using Out = std::conditional_t<std::is_void_v<R>, T, R>;
    return map_broadcast<T, T, Out>(a, a.data<T>(), b, b.data<T>(), make_function<Function>(node));
  });
}

template <typename Function, typename List, typename R = void>
Result<std::vector<ir::Tensor>> evaluate_binary(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  auto out = combine<Function, List, R>(node, *inputs[0], *inputs[1]);
  if (!out) return out.error();
  return std::vector{std::move(*out)};
}

/// function folded over any number of operands from the left.
template <typename Function, typename List>
Result<std::vector<ir::Tensor>> evaluate_variadic(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  ir::Tensor folded = *inputs[0];
  if (!is_one_of(folded.dtype(), List{})) return unsupported_dtype(folded.dtype());
  for (size_t i = 1; i < inputs.size(); ++i) {
    if (inputs[i] == nullptr) return invalid_error("operand " + std::to_string(i) + " is missing");
    auto next = combine<Function, List, void>(node, folded, *inputs[i]);
    if (!next) return next.error();
    folded = std::move(*next);
  }
  return std::vector{std::move(folded)};
}

/// The row of an operator of two operands with a result of their type.
template <typename Function, typename List>
constexpr OpInfo binary_op(ir::OpKind kind, Result<std::vector<ir::Type>> (*infer)(const ir::Node&, InferContext&),
                           QuantFacts (*quant)(const ir::Node&) = nullptr) {
  return {.kind = kind,
          .min_inputs = 2,
          .max_inputs = 2,
          .min_outputs = 1,
          .max_outputs = 1,
          .verify = verify_broadcast,
          .infer = infer,
          .eval = half_as_float<evaluate_binary<Function, List>>,
          .cost = nullptr,
          .quant = quant,
          .channels = broadcast_slices};
}

/// The row of a comparison or logical operator: a boolean result.
template <typename Function, typename List>
constexpr OpInfo comparison_op(ir::OpKind kind) {
  return {.kind = kind,
          .min_inputs = 2,
          .max_inputs = 2,
          .min_outputs = 1,
          .max_outputs = 1,
          .verify = verify_broadcast,
          .infer = infer_comparison,
          .eval = half_as_float<evaluate_binary<Function, List, bool>>,
          .cost = nullptr,
          .quant = nullptr,
          .no_gradient = kTruthValues};
}

}  // namespace edgesmith::ops
