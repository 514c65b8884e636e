// SPDX-License-Identifier: Apache-2.0
// HardSwish: y = x * max(0, min(1, x / 6 + 0.5)). Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops {
namespace {

struct HardSwish {
  template <typename T>
  T operator()(T x) const {
    const T line = x / T{6} + T{0.5};
    return x * (line < T{0} ? T{0} : (line > T{1} ? T{1} : line));
  }
};

}  // namespace

extern const OpInfo hard_swish_info = unary_op<HardSwish>(ir::OpKind::hard_swish, no_attributes, compute_one);

}  // namespace edgesmith::ops
