// SPDX-License-Identifier: Apache-2.0
// Asin: y = arc sine of x, in [-pi/2, pi/2]. Shape and type as x; no attributes. NaN outside [-1, 1]. Types: f16, bf16,
// f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::asin_op {
namespace {

struct Asin {
  template <typename T>
  T operator()(T x) const {
    return std::asin(x);
  }
};

Term gradient(const Unary& u) { return u.dy / sqrt(1 - u.x * u.x); }

}  // namespace

extern const OpInfo asin_info = with_gradient(unary_op<Asin>(ir::OpKind::asin), unary_gradient<gradient>);

}  // namespace edgesmith::ops::asin_op
