// SPDX-License-Identifier: Apache-2.0
// ReduceL1: y = sum of |x| over the axes (0 of nothing). Axes: optional operand 1 (absent or empty: all axes, or none
// with noop_with_empty_axes = 1). Attributes: keepdims = 1, noop_with_empty_axes = 0. Integers wrap around. Types: i32,
// i64, u32, u64, f16, bf16, f32, f64.
#include "ops/reduce.h"

namespace edgesmith::ops::reduce_l1_op {
namespace {

template <typename T>
struct L1Reducer {
  using Accumulator = SumOf<T>;
  Accumulator start() const { return 0; }
  void step(Accumulator& cell, T x) const {
    const auto value = static_cast<Accumulator>(x);
    cell = x < T{0} ? wrapping_subtract(cell, value) : wrapping_add(cell, value);
  }
  T finish(const Accumulator& cell, int64_t) const { return static_cast<T>(cell); }
};

Term gradient(const Reduced& r) { return r.dy * apply(ir::OpKind::sign, r.x); }

}  // namespace

extern const OpInfo reduce_l1_info =
    with_gradient(reduction_op<L1Reducer>(ir::OpKind::reduce_l1), reduction_gradient<gradient>);

}  // namespace edgesmith::ops::reduce_l1_op
