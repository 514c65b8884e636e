// SPDX-License-Identifier: Apache-2.0
// Asinh: y = inverse hyperbolic sine of x. Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::asinh_op {
namespace {

struct Asinh {
  template <typename T>
  T operator()(T x) const {
    return std::asinh(x);
  }
};

Term gradient(const Unary& u) { return u.dy / sqrt(u.x * u.x + 1); }

}  // namespace

extern const OpInfo asinh_info = with_gradient(unary_op<Asinh>(ir::OpKind::asinh), unary_gradient<gradient>);

}  // namespace edgesmith::ops::asinh_op
