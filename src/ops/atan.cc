// SPDX-License-Identifier: Apache-2.0
// Atan: y = arc tangent of x, in (-pi/2, pi/2). Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::atan_op {
namespace {

struct Atan {
  template <typename T>
  T operator()(T x) const {
    return std::atan(x);
  }
};

Term gradient(const Unary& u) { return u.dy / (u.x * u.x + 1); }

}  // namespace

extern const OpInfo atan_info = with_gradient(unary_op<Atan>(ir::OpKind::atan), unary_gradient<gradient>);

}  // namespace edgesmith::ops::atan_op
