// SPDX-License-Identifier: Apache-2.0
// Acos: y = arc cosine of x, in [0, pi]. Shape and type as x; no attributes. NaN outside [-1, 1]. Types: f16, bf16,
// f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::acos_op {
namespace {

struct Acos {
  template <typename T>
  T operator()(T x) const {
    return std::acos(x);
  }
};

Term gradient(const Unary& u) { return -u.dy / sqrt(1 - u.x * u.x); }

}  // namespace

extern const OpInfo acos_info = with_gradient(unary_op<Acos>(ir::OpKind::acos), unary_gradient<gradient>);

}  // namespace edgesmith::ops::acos_op
