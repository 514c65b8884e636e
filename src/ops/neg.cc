// SPDX-License-Identifier: Apache-2.0
// Neg: y = -x. Shape and type as x; no attributes. The smallest signed integer stays itself, as in numpy. Types: signed
// integers of 8 to 64 bits, f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::neg_op {
namespace {

struct Neg {
  template <typename T>
  T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) {
      return -x;
    } else {
      return wrapping_subtract(T{0}, x);
    }
  }
};

Term gradient(const Unary& u) { return -u.dy; }

}  // namespace

extern const OpInfo neg_info =
    with_gradient(unary_op<Neg, Join<FloatTypes, SignedTypes>>(ir::OpKind::neg), unary_gradient<gradient>);

}  // namespace edgesmith::ops::neg_op
