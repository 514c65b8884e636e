// SPDX-License-Identifier: Apache-2.0
// ReduceMean: y = mean of x over the axes (NaN of nothing; an error for integers, whose means are cut towards zero).
// Axes: optional operand 1 (absent or empty: all axes, or none with noop_with_empty_axes = 1). Attributes: keepdims =
// 1, noop_with_empty_axes = 0. Types: i32, i64, u32, u64, f16, bf16, f32, f64.
// Quantized: computes codes of its own.
#include "ops/reduce.h"

namespace edgesmith::ops::reduce_mean_op {
namespace {

template <typename T>
struct MeanReducer {
  using Accumulator = SumOf<T>;
  Accumulator start() const { return 0; }
  void step(Accumulator& cell, T x) const { cell = wrapping_add(cell, static_cast<Accumulator>(x)); }
  T finish(const Accumulator& cell, int64_t count) const {
    return static_cast<T>(cell / static_cast<Accumulator>(count));
  }
};

Term gradient(const Reduced& r) {
  return expand_like(r.dy / count_along(*r.x.build, *r.x.value, r.axes, r.x.dtype), *r.x.value);
}

}  // namespace

extern const OpInfo reduce_mean_info = with_gradient(
    reduction_op<MeanReducer, ReduceTypes, true>(ir::OpKind::reduce_mean, compute_one), reduction_gradient<gradient>);

}  // namespace edgesmith::ops::reduce_mean_op
