// SPDX-License-Identifier: Apache-2.0
// Sign: y = -1, 0 or 1 as x is below, equal to or above 0; NaN stays NaN. Shape and type as x; no attributes. Types:
// every integer of 8 to 64 bits, f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::sign_op {
namespace {

struct Sign {
  template <typename T>
  T operator()(T x) const {
    if (x > T{0}) return T{1};
    if (x < T{0}) return static_cast<T>(-1);
    return x;  // 0 or NaN
  }
};

}  // namespace

extern const OpInfo sign_info = without_gradient(unary_op<Sign, NumberTypes>(ir::OpKind::sign), kPiecewiseConstant);

}  // namespace edgesmith::ops::sign_op
