// SPDX-License-Identifier: Apache-2.0
// Cosh: y = hyperbolic cosine of x. Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops {
namespace {

struct Cosh {
  template <typename T>
  T operator()(T x) const {
    return std::cosh(x);
  }
};

}  // namespace

extern const OpInfo cosh_info = unary_op<Cosh>(ir::OpKind::cosh);

}  // namespace edgesmith::ops
