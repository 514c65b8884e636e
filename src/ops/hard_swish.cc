// SPDX-License-Identifier: Apache-2.0
// HardSwish: y = x * max(0, min(1, x / 6 + 0.5)). Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::hard_swish_op {
namespace {

struct HardSwish {
  template <typename T>
  T operator()(T x) const {
    const T line = x / T{6} + T{0.5};
    return x * (line < T{0} ? T{0} : (line > T{1} ? T{1} : line));
  }
};

Term gradient(const Unary& u) {
  const Term sloped = where(greater(u.x, -3), u.dy * (u.x / 3 + 0.5), 0);
  return where(less(u.x, 3), sloped, u.dy);
}

}  // namespace

extern const OpInfo hard_swish_info =
    with_gradient(unary_op<HardSwish>(ir::OpKind::hard_swish, no_attributes, compute_one), unary_gradient<gradient>);

}  // namespace edgesmith::ops::hard_swish_op
