// SPDX-License-Identifier: Apache-2.0
// Floor: y = the largest whole number that is not above x. Shape and type as x; no attributes. Whole numbers >= 0 in
// shape arithmetic pass unchanged. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::floor_op {
namespace {

struct Floor {
  template <typename T>
  T operator()(T x) const {
    return std::floor(x);
  }
};

}  // namespace

extern const OpInfo floor_info =
    without_gradient(with_infer(unary_op<Floor>(ir::OpKind::floor), infer_unary_keeping_contents), kPiecewiseConstant);

}  // namespace edgesmith::ops::floor_op
