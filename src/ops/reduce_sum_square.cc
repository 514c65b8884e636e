// SPDX-License-Identifier: Apache-2.0
// ReduceSumSquare: y = sum of x^2 over the axes (0 of nothing). Axes: optional operand 1 (absent or empty: all axes, or
// none with noop_with_empty_axes = 1). Attributes: keepdims = 1, noop_with_empty_axes = 0. Integers wrap around. Types:
// i32, i64, u32, u64, f16, bf16, f32, f64.
#include "ops/reduce.h"

namespace edgesmith::ops::reduce_sum_square_op {
namespace {

template <typename T>
struct SumSquareReducer {
  using Accumulator = SumOf<T>;
  Accumulator start() const { return 0; }
  void step(Accumulator& cell, T x) const {
    const auto value = static_cast<Accumulator>(x);
    cell = wrapping_add(cell, wrapping_multiply(value, value));
  }
  T finish(const Accumulator& cell, int64_t) const { return static_cast<T>(cell); }
};

Term gradient(const Reduced& r) { return r.x * (r.dy * 2); }

}  // namespace

extern const OpInfo reduce_sum_square_info =
    with_gradient(reduction_op<SumSquareReducer>(ir::OpKind::reduce_sum_square), reduction_gradient<gradient>);

}  // namespace edgesmith::ops::reduce_sum_square_op
