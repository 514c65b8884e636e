// SPDX-License-Identifier: Apache-2.0
// Acosh: y = inverse hyperbolic cosine of x. Shape and type as x; no attributes. NaN below 1. Types: f16, bf16, f32,
// f64.
#include "ops/unary.h"

namespace edgesmith::ops::acosh_op {
namespace {

struct Acosh {
  template <typename T>
  T operator()(T x) const {
    return std::acosh(x);
  }
};

Term gradient(const Unary& u) { return u.dy / sqrt(u.x * u.x - 1); }

}  // namespace

extern const OpInfo acosh_info = with_gradient(unary_op<Acosh>(ir::OpKind::acosh), unary_gradient<gradient>);

}  // namespace edgesmith::ops::acosh_op
