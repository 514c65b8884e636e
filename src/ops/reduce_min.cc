// SPDX-License-Identifier: Apache-2.0
// ReduceMin: y = the smallest x over the axes; NaN where one is NaN; of nothing inf or the largest number of the type.
// Axes: optional operand 1 (absent or empty: all axes, or none with noop_with_empty_axes = 1). Attributes: keepdims =
// 1, noop_with_empty_axes = 0. Types: bool, every integer of 8 to 64 bits, f16, bf16, f32, f64.
// Quantized: moves codes.
#include "ops/reduce.h"

namespace edgesmith::ops::reduce_min_op {
namespace {

template <typename T>
struct MinReducer {
  using Accumulator = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;  // std::vector<bool> has no cells
  Accumulator start() const {
    return std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
  }
  void step(Accumulator& cell, T x) const {
    if (x < cell || x != x) cell = x;
  }
  T finish(const Accumulator& cell, int64_t) const { return static_cast<T>(cell); }
};

}  // namespace

extern const OpInfo reduce_min_info =
    with_gradient(reduction_op<MinReducer, NumberOrBoolTypes>(ir::OpKind::reduce_min, transparent_one),
                  reduction_gradient<share_among_equals>);

}  // namespace edgesmith::ops::reduce_min_op
