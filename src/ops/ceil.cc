// SPDX-License-Identifier: Apache-2.0
// Ceil: y = the least whole number that is not below x. Shape and type as x; no attributes. Whole numbers >= 0 in shape
// arithmetic pass unchanged. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::ceil_op {
namespace {

struct Ceil {
  template <typename T>
  T operator()(T x) const {
    return std::ceil(x);
  }
};

}  // namespace

extern const OpInfo ceil_info =
    without_gradient(with_infer(unary_op<Ceil>(ir::OpKind::ceil), infer_unary_keeping_contents), kPiecewiseConstant);

}  // namespace edgesmith::ops::ceil_op
