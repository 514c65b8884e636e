// SPDX-License-Identifier: Apache-2.0
// Abs: y = |x|. Shape and type as x; no attributes. Whole numbers >= 0 in shape arithmetic pass unchanged. The smallest
// signed integer stays itself, as in numpy. Types: every integer of 8 to 64 bits, f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::abs_op {
namespace {

struct Abs {
  template <typename T>
  T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) {
      return std::fabs(x);
    } else {
      return x < T{0} ? wrapping_subtract(T{0}, x) : x;
    }
  }
};

Term gradient(const Unary& u) { return u.dy * apply(ir::OpKind::sign, u.x); }

}  // namespace

extern const OpInfo abs_info = with_gradient(
    with_infer(unary_op<Abs, NumberTypes>(ir::OpKind::abs), infer_unary_keeping_contents), unary_gradient<gradient>);

}  // namespace edgesmith::ops::abs_op
