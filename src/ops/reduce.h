// SPDX-License-Identifier: Apache-2.0
// Reductions over axes: axes come as optional operand 1 (absent or empty: all, or none with noop_with_empty_axes = 1);
// keepdims = 1 leaves a dim of 1 in their place. An operator gives a reducer: an accumulator, how it takes one more
// element, and the result. Floats are accumulated in f64, integers modulo 2^64. Reducing along no axes still applies
// the rest of the formula (ReduceSumSquare squares), as ONNX says.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/integer_math.h"
#include "ops/slices.h"
#include "ops/strided_walk.h"

namespace edgesmith::ops {

/// What sums of T are accumulated in.
template <typename T>
using SumOf =
    std::conditional_t<std::is_floating_point_v<T>, double, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;

/// The types that ONNX defines reductions on; ReduceMax and ReduceMin take more.
using ReduceTypes = Join<FloatTypes, Types<int32_t, int64_t, uint32_t, uint64_t>>;

/// Attributes keepdims and noop_with_empty_axes; axes i64.
Status verify_reduction(const ir::Node& node);
/// The operand's type with the axes reduced; the rank alone when the axes are not known, and keepdims.
Result<std::vector<ir::Type>> infer_reduction(const ir::Node& node, InferContext& context);
/// One operation an element of the operand.
Cost reduction_cost(const ir::Node& node);

/// How one evaluation reduces: the walk over the operand with the place of each element's result.
struct ReductionPlan {
  StridedWalk<1> walk;
  ir::Dims out_dims;
  int64_t count = 1;  ///< elements reduced to one
};
/// Errors: invalid (axes).
Result<ReductionPlan> plan_reduction(const ir::Node& node, std::span<const ir::Tensor* const> inputs);

/// Runs Reducer<T>, which has `Accumulator start() const`, `void step(Accumulator&, T) const` and
/// `T finish(const Accumulator&, int64_t count) const`. kNeedsElements: reducing nothing to something is an error for
/// integers (a mean has no value there).
template <template <typename> typename Reducer, typename List, bool kNeedsElements = false>
Result<std::vector<ir::Tensor>> evaluate_reduction(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto plan = plan_reduction(node, inputs);
  if (!plan) return plan.error();
  return dispatch(List{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const Reducer<T> reducer;
    ir::Tensor y = ir::Tensor::zeros(x.dtype(), plan->out_dims);
    if (kNeedsElements && !std::is_floating_point_v<T> && plan->count == 0 && y.size() > 0) {
      return invalid_error("reduces no elements of " + x.type().text() + " to " + y.type().text());
    }
    const T* from = x.data<T>().data();
    std::vector<decltype(reducer.start())> cells(static_cast<size_t>(y.size()), reducer.start());
    walk_runs(plan->walk, [&](int64_t position, const auto& offsets, int64_t count, const auto& steps) {
      auto* cell = cells.data() + offsets[0];
      if (steps[0] == 0) {  // one cell: in a register
        auto kept = *cell;
        for (int64_t i = 0; i < count; ++i) reducer.step(kept, from[position + i]);
        *cell = kept;
        return;
      }
      for (int64_t i = 0; i < count; ++i) reducer.step(cell[i * steps[0]], from[position + i]);
    });
    const auto to = y.mutable_data<T>();
    for (size_t i = 0; i < cells.size(); ++i) to[i] = reducer.finish(cells[i], plan->count);
    return std::vector{std::move(y)};
  });
}

/// What the gradient of a reduction is made from. y() and dy have dims of 1 where axes were reduced, so that they
/// broadcast to x.
struct Reduced {
  Term x, result, dy;
  ir::Ints axes;     ///< from the front
  ir::Ints dropped;  ///< those of them that the result lacks
  Term y() const { return unsqueeze(result, dropped); }
};
using ReducedRule = Term (*)(const Reduced& r);
Gradients apply_rule(ReducedRule rule, GradientBuilder& build, const ir::Node& node,
                     std::span<ir::Value* const> outputs);
/// `kRule`, whose result broadcasts to x, for OpInfo::gradient.
template <ReducedRule kRule>
Gradients reduction_gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  return apply_rule(kRule, build, node, outputs);
}
/// The rule of ReduceMax and ReduceMin: elements that equal the result share its gradient.
Term share_among_equals(const Reduced& r);

/// The row of a reduction.
template <template <typename> typename Reducer, typename List = ReduceTypes, bool kNeedsElements = false>
constexpr OpInfo reduction_op(ir::OpKind kind, QuantFacts (*quant)(const ir::Node&) = nullptr) {
  return {.kind = kind,
          .min_inputs = 1,
          .max_inputs = 2,
          .min_outputs = 1,
          .max_outputs = 1,
          .verify = verify_reduction,
          .infer = infer_reduction,
          .eval = half_as_float<evaluate_reduction<Reducer, List, kNeedsElements>>,
          .cost = reduction_cost,
          .quant = quant,
          .channels = kept_slices};
}

}  // namespace edgesmith::ops
