// SPDX-License-Identifier: Apache-2.0
// Cos: y = cosine of x (radians). Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops {
namespace {

struct Cos {
  template <typename T>
  T operator()(T x) const {
    return std::cos(x);
  }
};

}  // namespace

extern const OpInfo cos_info = unary_op<Cos>(ir::OpKind::cos);

}  // namespace edgesmith::ops
