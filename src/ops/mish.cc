// SPDX-License-Identifier: Apache-2.0
// Mish: y = x * tanh(softplus(x)) = x * tanh(log(1 + exp(x))) (Misra 2019). Shape and type as x; no attributes. Types:
// f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::mish_op {
namespace {

struct Mish {
  template <typename T>
  T operator()(T x) const {
    const T softplus = std::log1p(std::exp(-std::fabs(x))) + (x > T{0} ? x : T{0});
    return x * std::tanh(softplus);
  }
};

Term gradient(const Unary& u) {
  const Term t = apply(ir::OpKind::tanh, apply(ir::OpKind::softplus, u.x));
  return u.dy * (t + u.x * (1 - t * t) * apply(ir::OpKind::sigmoid, u.x));
}

}  // namespace

extern const OpInfo mish_info =
    with_gradient(unary_op<Mish>(ir::OpKind::mish, no_attributes, compute_one), unary_gradient<gradient>);

}  // namespace edgesmith::ops::mish_op
