// SPDX-License-Identifier: Apache-2.0
// Relu: y = max(0, x); NaN stays NaN. Shape and type as x; no attributes. Types: signed integers of 8 to 64 bits, f16,
// bf16, f32, f64.
// Quantized: a clamp that disappears into the output range of its producer.
#include "ops/unary.h"

namespace edgesmith::ops::relu_op {
namespace {

struct Relu {
  template <typename T>
  T operator()(T x) const {
    return x < T{0} ? T{0} : x;
  }
};

Term gradient(const Unary& u) { return where(greater(u.y, 0), u.dy, 0); }

}  // namespace

extern const OpInfo relu_info =
    with_gradient(unary_op<Relu, Join<FloatTypes, SignedTypes>>(ir::OpKind::relu, no_attributes, clamp_one),
                  unary_gradient<gradient>);

}  // namespace edgesmith::ops::relu_op
