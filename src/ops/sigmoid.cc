// SPDX-License-Identifier: Apache-2.0
// Sigmoid: y = 1 / (1 + exp(-x)), computed so that exp never overflows. Shape and type as x; no attributes. Types: f16,
// bf16, f32, f64.
// Quantized: results lie in [0, 1].
#include "ops/unary.h"

namespace edgesmith::ops::sigmoid_op {
namespace {

struct Sigmoid {
  template <typename T>
  T operator()(T x) const {
    if (x >= T{0}) return T{1} / (T{1} + std::exp(-x));
    const T e = std::exp(x);
    return e / (T{1} + e);
  }
};

Term gradient(const Unary& u) { return u.dy * u.y * (1 - u.y); }

}  // namespace

extern const OpInfo sigmoid_info =
    with_gradient(unary_op<Sigmoid>(ir::OpKind::sigmoid, no_attributes, fixed_range<0, 1>), unary_gradient<gradient>);

}  // namespace edgesmith::ops::sigmoid_op
