// SPDX-License-Identifier: Apache-2.0
// From an element type known when the program runs to one known when it is compiled: `dispatch` calls a generic lambda
// with the C++ type of a dtype out of a list. And half floats once for all operators: `half_as_float` wraps an
// evaluation written for float.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {

/// A list of element types.
template <typename... Ts>
struct Types {};

/// Lists joined.
template <typename A, typename B>
struct JoinTypes;
template <typename... As, typename... Bs>
struct JoinTypes<Types<As...>, Types<Bs...>> {
  using type = Types<As..., Bs...>;
};
template <typename A, typename B>
using Join = typename JoinTypes<A, B>::type;

using FloatTypes = Types<float, double>;
using SignedTypes = Types<int8_t, int16_t, int32_t, int64_t>;
using UnsignedTypes = Types<uint8_t, uint16_t, uint32_t, uint64_t>;
using IntTypes = Join<SignedTypes, UnsignedTypes>;
using NumberTypes = Join<FloatTypes, IntTypes>;
using NumberOrBoolTypes = Join<NumberTypes, Types<bool>>;

/// True when `dtype` is one of the list.
template <typename... Ts>
constexpr bool is_one_of(ir::DType dtype, Types<Ts...>) {
  return ((dtype == ir::dtype_of<Ts>()) || ...);
}

/// The error of an operator that does not run on `dtype`.
inline Error unsupported_dtype(ir::DType dtype) {
  return unsupported_error("does not run on elements of type " + std::string(ir::dtype_name(dtype)));
}

/// Calls `body.operator()<T>()`, which returns a Result, with the type T of `dtype`; unsupported when it is not in the
/// list. Use: `dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<Tensor> { ... x.data<T>() ... })`.
template <typename First, typename... Rest, typename Body>
auto dispatch(Types<First, Rest...>, ir::DType dtype, Body&& body) -> decltype(body.template operator()<First>()) {
  if (dtype == ir::dtype_of<First>()) return body.template operator()<First>();
  if constexpr (sizeof...(Rest) > 0) {
    return dispatch(Types<Rest...>{}, dtype, body);
  } else {
    return unsupported_dtype(dtype);
  }
}

using Evaluation = Result<std::vector<ir::Tensor>> (*)(const ir::Node& node, std::span<const ir::Tensor* const> inputs);

/// A dense f16 or bf16 tensor as f32 (exact), and an f32 tensor rounded to `half` (to nearest, ties to even).
ir::Tensor widen_half(const ir::Tensor& tensor);
ir::Tensor round_to_half(const ir::Tensor& tensor, ir::DType half);

/// Runs `evaluation` with f16 and bf16 operands widened to f32, and rounds its f32 results to the type of the first
/// operand of floats when that is a half (Pow may mix types).
Result<std::vector<ir::Tensor>> evaluate_half_as_float(Evaluation evaluation, const ir::Node& node,
                                                       std::span<const ir::Tensor* const> inputs);

/// `kEvaluation` for OpInfo::eval, extended to f16 and bf16.
template <Evaluation kEvaluation>
Result<std::vector<ir::Tensor>> half_as_float(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  return evaluate_half_as_float(kEvaluation, node, inputs);
}

}  // namespace edgesmith::ops
