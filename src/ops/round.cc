// SPDX-License-Identifier: Apache-2.0
// Round: y = the nearest whole number, halves to the even one (2.5 -> 2, 3.5 -> 4). Shape and type as x; no attributes.
// Whole numbers >= 0 in shape arithmetic pass unchanged. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::round_op {
namespace {

struct Round {
  template <typename T>
  T operator()(T x) const {
    return std::nearbyint(x);  // the rounding mode is never changed from to-nearest-even
  }
};

}  // namespace

extern const OpInfo round_info =
    without_gradient(with_infer(unary_op<Round>(ir::OpKind::round), infer_unary_keeping_contents), kPiecewiseConstant);

}  // namespace edgesmith::ops::round_op
