// SPDX-License-Identifier: Apache-2.0
// ReduceLogSumExp: y = log(sum of exp(x)) over the axes (-inf of nothing); integers are cut towards zero. Kept as the
// largest element and a sum relative to it, so that exp never overflows (Milakov and Gimelshein 2018, online
// normalizer). Axes: optional operand 1 (absent or empty: all axes, or none with noop_with_empty_axes = 1). Attributes:
// keepdims = 1, noop_with_empty_axes = 0. Types: i32, i64, u32, u64, f16, bf16, f32, f64.
#include "ops/reduce.h"

namespace edgesmith::ops::reduce_log_sum_exp_op {
namespace {

/// sum * exp(largest).
struct Scaled {
  double largest = -std::numeric_limits<double>::infinity();
  double sum = 0;
};

template <typename T>
struct LogSumExpReducer {
  using Accumulator = Scaled;
  Accumulator start() const { return Scaled{}; }
  void step(Accumulator& cell, T x) const {
    const auto value = static_cast<double>(x);
    if (value > cell.largest) {
      cell.sum = cell.sum * std::exp(cell.largest - value) + 1;
      cell.largest = value;
    } else if (value == cell.largest) {
      cell.sum += 1;  // also for infinities, whose difference is NaN
    } else {
      cell.sum += std::exp(value - cell.largest);
    }
  }
  T finish(const Accumulator& cell, int64_t) const { return saturating_cast<T>(cell.largest + std::log(cell.sum)); }
};

Term gradient(const Reduced& r) { return r.dy * exp(r.x - r.y()); }

}  // namespace

extern const OpInfo reduce_log_sum_exp_info =
    with_gradient(reduction_op<LogSumExpReducer>(ir::OpKind::reduce_log_sum_exp), reduction_gradient<gradient>);

}  // namespace edgesmith::ops::reduce_log_sum_exp_op
