// SPDX-License-Identifier: Apache-2.0
// Sinh: y = hyperbolic sine of x. Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::sinh_op {
namespace {

struct Sinh {
  template <typename T>
  T operator()(T x) const {
    return std::sinh(x);
  }
};

Term gradient(const Unary& u) { return u.dy * apply(ir::OpKind::cosh, u.x); }

}  // namespace

extern const OpInfo sinh_info = with_gradient(unary_op<Sinh>(ir::OpKind::sinh), unary_gradient<gradient>);

}  // namespace edgesmith::ops::sinh_op
