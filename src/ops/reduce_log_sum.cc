// SPDX-License-Identifier: Apache-2.0
// ReduceLogSum: y = log(sum of x) over the axes (-inf of nothing); integers are cut towards zero. Axes: optional
// operand 1 (absent or empty: all axes, or none with noop_with_empty_axes = 1). Attributes: keepdims = 1,
// noop_with_empty_axes = 0. Types: i32, i64, u32, u64, f16, bf16, f32, f64.
#include "ops/reduce.h"

namespace edgesmith::ops::reduce_log_sum_op {
namespace {

template <typename T>
struct LogSumReducer {
  using Accumulator = double;
  Accumulator start() const { return 0; }
  void step(Accumulator& cell, T x) const { cell += static_cast<double>(x); }
  T finish(const Accumulator& cell, int64_t) const { return saturating_cast<T>(std::log(cell)); }
};

Term gradient(const Reduced& r) { return expand_like(r.dy / exp(r.y()), *r.x.value); }

}  // namespace

extern const OpInfo reduce_log_sum_info =
    with_gradient(reduction_op<LogSumReducer>(ir::OpKind::reduce_log_sum), reduction_gradient<gradient>);

}  // namespace edgesmith::ops::reduce_log_sum_op
