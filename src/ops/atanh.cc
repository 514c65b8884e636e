// SPDX-License-Identifier: Apache-2.0
// Atanh: y = inverse hyperbolic tangent of x. Shape and type as x; no attributes. NaN outside [-1, 1], infinite at its
// ends. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::atanh_op {
namespace {

struct Atanh {
  template <typename T>
  T operator()(T x) const {
    return std::atanh(x);
  }
};

Term gradient(const Unary& u) { return u.dy / (1 - u.x * u.x); }

}  // namespace

extern const OpInfo atanh_info = with_gradient(unary_op<Atanh>(ir::OpKind::atanh), unary_gradient<gradient>);

}  // namespace edgesmith::ops::atanh_op
