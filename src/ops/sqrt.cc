// SPDX-License-Identifier: Apache-2.0
// Sqrt: y = square root of x. Shape and type as x; no attributes. NaN for negative numbers. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::sqrt_op {
namespace {

struct Sqrt {
  template <typename T>
  T operator()(T x) const {
    return std::sqrt(x);
  }
};

Term gradient(const Unary& u) { return u.dy / (u.y * 2); }

}  // namespace

extern const OpInfo sqrt_info = with_gradient(unary_op<Sqrt>(ir::OpKind::sqrt), unary_gradient<gradient>);

}  // namespace edgesmith::ops::sqrt_op
