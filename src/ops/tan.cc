// SPDX-License-Identifier: Apache-2.0
// Tan: y = tangent of x (radians). Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops {
namespace {

struct Tan {
  template <typename T>
  T operator()(T x) const {
    return std::tan(x);
  }
};

}  // namespace

extern const OpInfo tan_info = unary_op<Tan>(ir::OpKind::tan);

}  // namespace edgesmith::ops
