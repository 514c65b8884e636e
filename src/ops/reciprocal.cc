// SPDX-License-Identifier: Apache-2.0
// Reciprocal: y = 1 / x. Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::reciprocal_op {
namespace {

struct Reciprocal {
  template <typename T>
  T operator()(T x) const {
    return T{1} / x;
  }
};

Term gradient(const Unary& u) { return -u.dy * u.y * u.y; }

}  // namespace

extern const OpInfo reciprocal_info =
    with_gradient(unary_op<Reciprocal>(ir::OpKind::reciprocal), unary_gradient<gradient>);

}  // namespace edgesmith::ops::reciprocal_op
