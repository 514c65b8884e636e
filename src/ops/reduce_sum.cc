// SPDX-License-Identifier: Apache-2.0
// ReduceSum: y = sum of x over the axes (0 of nothing). Axes: optional operand 1 (absent or empty: all axes, or none
// with noop_with_empty_axes = 1). Attributes: keepdims = 1, noop_with_empty_axes = 0. Integers wrap around. Types: i32,
// i64, u32, u64, f16, bf16, f32, f64.
#include "ops/reduce.h"

namespace edgesmith::ops::reduce_sum_op {
namespace {

template <typename T>
struct SumReducer {
  using Accumulator = SumOf<T>;
  Accumulator start() const { return 0; }
  void step(Accumulator& cell, T x) const { cell = wrapping_add(cell, static_cast<Accumulator>(x)); }
  T finish(const Accumulator& cell, int64_t) const { return static_cast<T>(cell); }
};

Term gradient(const Reduced& r) { return expand_like(r.dy, *r.x.value); }

}  // namespace

extern const OpInfo reduce_sum_info =
    with_gradient(reduction_op<SumReducer>(ir::OpKind::reduce_sum), reduction_gradient<gradient>);

}  // namespace edgesmith::ops::reduce_sum_op
