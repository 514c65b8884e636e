// SPDX-License-Identifier: Apache-2.0
// Element-wise operators of one operand: y[i] = f(x[i]), shape and type as x. An operator gives a function object with
// `template <typename T> T operator()(T x) const`, built from the node when it has attributes, and the types that ONNX
// defines it on (f16 and bf16 come with the floats).
#pragma once

#include <cmath>
#include <type_traits>
#include <vector>

#include "ops/check.h"
#include "ops/contents.h"
#include "ops/dispatch.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/integer_math.h"
#include "ops/slices.h"

namespace edgesmith::ops {

/// The function object of a node: from its attributes if it takes any.
template <typename Function>
Function make_function(const ir::Node& node) {
  if constexpr (std::is_constructible_v<Function, const ir::Node&>) {
    return Function(node);
  } else {
    return Function{};
  }
}

/// Type as the operand's.
Result<std::vector<ir::Type>> infer_unary(const ir::Node& node, InferContext& context);
/// The same for functions that leave whole numbers >= 0 as they are (Floor, Abs, Identity, ...).
Result<std::vector<ir::Type>> infer_unary_keeping_contents(const ir::Node& node, InferContext& context);

template <typename Function, typename List>
Result<std::vector<ir::Tensor>> evaluate_unary(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  return dispatch(List{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const Function function = make_function<Function>(node);
    ir::Tensor y = ir::Tensor::zeros(x.dtype(), x.dims());
    const auto from = x.data<T>();
    const auto to = y.mutable_data<T>();
    for (size_t i = 0; i < from.size(); ++i) to[i] = function(from[i]);
    return std::vector{std::move(y)};
  });
}

/// The row of an element-wise operator.
template <typename Function, typename List = FloatTypes>
constexpr OpInfo unary_op(ir::OpKind kind, Status (*verify)(const ir::Node&) = no_attributes,
                          QuantFacts (*quant)(const ir::Node&) = nullptr) {
  return {.kind = kind,
          .min_inputs = 1,
          .max_inputs = 1,
          .min_outputs = 1,
          .max_outputs = 1,
          .verify = verify,
          .infer = infer_unary,
          .eval = half_as_float<evaluate_unary<Function, List>>,
          .cost = nullptr,
          .quant = quant,
          .channels = same_slices};
}

}  // namespace edgesmith::ops
