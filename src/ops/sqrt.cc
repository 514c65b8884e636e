// SPDX-License-Identifier: Apache-2.0
// Sqrt: y = square root of x. Shape and type as x; no attributes. NaN for negative numbers. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops {
namespace {

struct Sqrt {
  template <typename T>
  T operator()(T x) const {
    return std::sqrt(x);
  }
};

}  // namespace

extern const OpInfo sqrt_info = unary_op<Sqrt>(ir::OpKind::sqrt);

}  // namespace edgesmith::ops
