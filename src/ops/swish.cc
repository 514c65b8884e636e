// SPDX-License-Identifier: Apache-2.0
// Swish: y = x * sigmoid(alpha * x) (Ramachandran et al. 2017; alpha = 1 is SiLU). Attribute alpha (default 1). Shape
// and type as x. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::swish_op {
namespace {

struct Swish {
  explicit Swish(const ir::Node& node) : alpha(node.attributes().get_float("alpha", 1)) {}
  template <typename T>
  T operator()(T x) const {
    return x / (T{1} + std::exp(-static_cast<T>(alpha) * x));
  }
  float alpha;
};

Status verify(const ir::Node& node) { return check_attributes(node, {{"alpha", AttributeKind::real}}); }

// With s = sigmoid(alpha * x): s + alpha * y * (1 - s).
Term gradient(const Unary& u) {
  const double alpha = u.attribute("alpha", 1);
  const Term s = apply(ir::OpKind::sigmoid, u.x * alpha);
  return u.dy * (s + u.y * (1 - s) * alpha);
}

}  // namespace

extern const OpInfo swish_info = with_gradient(unary_op<Swish>(ir::OpKind::swish, verify), unary_gradient<gradient>);

}  // namespace edgesmith::ops::swish_op
