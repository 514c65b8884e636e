// SPDX-License-Identifier: Apache-2.0
// Tan: y = tangent of x (radians). Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::tan_op {
namespace {

struct Tan {
  template <typename T>
  T operator()(T x) const {
    return std::tan(x);
  }
};

Term gradient(const Unary& u) { return u.dy * (u.y * u.y + 1); }

}  // namespace

extern const OpInfo tan_info = with_gradient(unary_op<Tan>(ir::OpKind::tan), unary_gradient<gradient>);

}  // namespace edgesmith::ops::tan_op
