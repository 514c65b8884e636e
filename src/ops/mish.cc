// SPDX-License-Identifier: Apache-2.0
// Mish: y = x * tanh(softplus(x)) = x * tanh(log(1 + exp(x))) (Misra 2019). Shape and type as x; no attributes. Types:
// f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops {
namespace {

struct Mish {
  template <typename T>
  T operator()(T x) const {
    const T softplus = std::log1p(std::exp(-std::fabs(x))) + (x > T{0} ? x : T{0});
    return x * std::tanh(softplus);
  }
};

}  // namespace

extern const OpInfo mish_info = unary_op<Mish>(ir::OpKind::mish, no_attributes, compute_one);

}  // namespace edgesmith::ops
