// SPDX-License-Identifier: Apache-2.0
// Exp: y = e^x. Shape and type as x; no attributes. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops {
namespace {

struct Exp {
  template <typename T>
  T operator()(T x) const {
    return std::exp(x);
  }
};

}  // namespace

extern const OpInfo exp_info = unary_op<Exp>(ir::OpKind::exp);

}  // namespace edgesmith::ops
