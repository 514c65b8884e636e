// SPDX-License-Identifier: Apache-2.0
// Exp: y = e^x. Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::exp_op {
namespace {

struct Exp {
  template <typename T>
  T operator()(T x) const {
    return std::exp(x);
  }
};

Term gradient(const Unary& u) { return u.dy * u.y; }

}  // namespace

extern const OpInfo exp_info = with_gradient(unary_op<Exp>(ir::OpKind::exp), unary_gradient<gradient>);

}  // namespace edgesmith::ops::exp_op
