// SPDX-License-Identifier: Apache-2.0
// Sin: y = sine of x (radians). Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::sin_op {
namespace {

struct Sin {
  template <typename T>
  T operator()(T x) const {
    return std::sin(x);
  }
};

Term gradient(const Unary& u) { return u.dy * apply(ir::OpKind::cos, u.x); }

}  // namespace

extern const OpInfo sin_info = with_gradient(unary_op<Sin>(ir::OpKind::sin), unary_gradient<gradient>);

}  // namespace edgesmith::ops::sin_op
