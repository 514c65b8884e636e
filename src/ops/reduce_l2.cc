// SPDX-License-Identifier: Apache-2.0
// ReduceL2: y = sqrt(sum of x^2) over the axes (0 of nothing); integers are cut towards zero. Axes: optional operand 1
// (absent or empty: all axes, or none with noop_with_empty_axes = 1). Attributes: keepdims = 1, noop_with_empty_axes =
// 0. Types: i32, i64, u32, u64, f16, bf16, f32, f64.
#include "ops/reduce.h"

namespace edgesmith::ops::reduce_l2_op {
namespace {

template <typename T>
struct L2Reducer {
  using Accumulator = double;
  Accumulator start() const { return 0; }
  void step(Accumulator& cell, T x) const { cell += static_cast<double>(x) * static_cast<double>(x); }
  T finish(const Accumulator& cell, int64_t) const { return saturating_cast<T>(std::sqrt(cell)); }
};

// x / y * dy; 0 where all of x is 0.
Term gradient(const Reduced& r) {
  const Term y = r.y();
  return r.x * where(equal(y, 0), y, r.dy / y);
}

}  // namespace

extern const OpInfo reduce_l2_info =
    with_gradient(reduction_op<L2Reducer>(ir::OpKind::reduce_l2), reduction_gradient<gradient>);

}  // namespace edgesmith::ops::reduce_l2_op
