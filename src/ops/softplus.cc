// SPDX-License-Identifier: Apache-2.0
// Softplus: y = log(1 + exp(x)), computed so that exp never overflows. Shape and type as x; no attributes. Types: f16,
// bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::softplus_op {
namespace {

struct Softplus {
  template <typename T>
  T operator()(T x) const {
    return std::log1p(std::exp(-std::fabs(x))) + (x > T{0} ? x : T{0});
  }
};

Term gradient(const Unary& u) { return u.dy * apply(ir::OpKind::sigmoid, u.x); }

}  // namespace

extern const OpInfo softplus_info =
    with_gradient(unary_op<Softplus>(ir::OpKind::softplus, no_attributes, compute_one), unary_gradient<gradient>);

}  // namespace edgesmith::ops::softplus_op
