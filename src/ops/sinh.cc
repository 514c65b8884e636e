// SPDX-License-Identifier: Apache-2.0
// Sinh: y = hyperbolic sine of x. Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops {
namespace {

struct Sinh {
  template <typename T>
  T operator()(T x) const {
    return std::sinh(x);
  }
};

}  // namespace

extern const OpInfo sinh_info = unary_op<Sinh>(ir::OpKind::sinh);

}  // namespace edgesmith::ops
