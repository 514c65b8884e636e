// SPDX-License-Identifier: Apache-2.0
// Cosh: y = hyperbolic cosine of x. Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::cosh_op {
namespace {

struct Cosh {
  template <typename T>
  T operator()(T x) const {
    return std::cosh(x);
  }
};

Term gradient(const Unary& u) { return u.dy * apply(ir::OpKind::sinh, u.x); }

}  // namespace

extern const OpInfo cosh_info = with_gradient(unary_op<Cosh>(ir::OpKind::cosh), unary_gradient<gradient>);

}  // namespace edgesmith::ops::cosh_op
