// SPDX-License-Identifier: Apache-2.0
// Tanh: y = hyperbolic tangent of x. Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
// Quantized: results lie in [-1, 1].
#include "ops/unary.h"

namespace edgesmith::ops::tanh_op {
namespace {

struct Tanh {
  template <typename T>
  T operator()(T x) const {
    return std::tanh(x);
  }
};

Term gradient(const Unary& u) { return u.dy * (1 - u.y * u.y); }

}  // namespace

extern const OpInfo tanh_info =
    with_gradient(unary_op<Tanh>(ir::OpKind::tanh, no_attributes, fixed_range<-1, 1>), unary_gradient<gradient>);

}  // namespace edgesmith::ops::tanh_op
