// SPDX-License-Identifier: Apache-2.0
// ArgMax and ArgMin: the index of the best element along one axis.
#pragma once

#include <algorithm>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/reduce.h"

namespace edgesmith::ops {

Status verify_arg(const ir::Node& node);
Result<std::vector<ir::Type>> infer_arg(const ir::Node& node, InferContext& context);

/// The operand as [outer, length, inner] around the axis (outer follows from the size), and the dims of the result.
struct ArgPlan {
  int64_t length = 0, inner = 1;
  ir::Dims out_dims;
};
/// Errors: invalid (axis, or nothing to choose from).
Result<ArgPlan> plan_arg(const ir::Node& node, const ir::Tensor& x);

template <typename Better>
Result<std::vector<ir::Tensor>> evaluate_arg(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto plan = plan_arg(node, x);
  if (!plan) return plan.error();
  const bool last = node.attributes().get_int("select_last_index", 0) != 0;
  return dispatch(NumberTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    ir::Tensor y = ir::Tensor::zeros(ir::DType::i64, plan->out_dims);
    int64_t* to = y.mutable_data<int64_t>().data();
    const T* from = x.data<T>().data();
    for (int64_t cell = 0; cell < y.size(); ++cell) {
      const T* run = from + cell / plan->inner * plan->length * plan->inner + cell % plan->inner;
      for (int64_t i = 1; i < plan->length; ++i) {
        const T candidate = run[i * plan->inner], best = run[to[cell] * plan->inner];
        if (Better{}(candidate, best) || (last && candidate == best)) to[cell] = i;
      }
    }
    return std::vector{std::move(y)};
  });
}

/// The row of ArgMax or ArgMin.
template <typename Better>
constexpr OpInfo arg_op(ir::OpKind kind) {
  return {.kind = kind,
          .min_inputs = 1,
          .max_inputs = 1,
          .min_outputs = 1,
          .max_outputs = 1,
          .verify = verify_arg,
          .infer = infer_arg,
          .eval = half_as_float<evaluate_arg<Better>>,
          .cost = reduction_cost,
          .quant = nullptr,
          .no_gradient = kPositions};
}

}  // namespace edgesmith::ops
