// SPDX-License-Identifier: Apache-2.0
// Softsign: y = x / (1 + |x|). Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
// Quantized: results lie in [-1, 1].
#include "ops/unary.h"

namespace edgesmith::ops::softsign_op {
namespace {

struct Softsign {
  template <typename T>
  T operator()(T x) const {
    return x / (T{1} + std::fabs(x));
  }
};

Term gradient(const Unary& u) { return u.dy / power(apply(ir::OpKind::abs, u.x) + 1, 2); }

}  // namespace

extern const OpInfo softsign_info = with_gradient(
    unary_op<Softsign>(ir::OpKind::softsign, no_attributes, fixed_range<-1, 1>), unary_gradient<gradient>);

}  // namespace edgesmith::ops::softsign_op
