// SPDX-License-Identifier: Apache-2.0
// Cos: y = cosine of x (radians). Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::cos_op {
namespace {

struct Cos {
  template <typename T>
  T operator()(T x) const {
    return std::cos(x);
  }
};

Term gradient(const Unary& u) { return -u.dy * apply(ir::OpKind::sin, u.x); }

}  // namespace

extern const OpInfo cos_info = with_gradient(unary_op<Cos>(ir::OpKind::cos), unary_gradient<gradient>);

}  // namespace edgesmith::ops::cos_op
