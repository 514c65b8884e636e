// SPDX-License-Identifier: Apache-2.0
// HardSigmoid: y = max(0, min(1, alpha * x + beta)). Shape and type as x. Attributes: alpha = 0.2, beta = 0.5. Types:
// f16, bf16, f32, f64.
// Quantized: results lie in [0, 1].
#include "ops/unary.h"

namespace edgesmith::ops::hard_sigmoid_op {
namespace {

struct HardSigmoid {
  explicit HardSigmoid(const ir::Node& node)
      : alpha(node.attributes().get_float("alpha", 0.2f)), beta(node.attributes().get_float("beta", 0.5f)) {}
  template <typename T>
  T operator()(T x) const {
    const T line = static_cast<T>(alpha) * x + static_cast<T>(beta);
    return line < T{0} ? T{0} : (line > T{1} ? T{1} : line);
  }
  float alpha, beta;
};

Status verify(const ir::Node& node) {
  return check_attributes(node, {{"alpha", AttributeKind::real}, {"beta", AttributeKind::real}});
}

Term gradient(const Unary& u) {
  const Term inside = apply(ir::OpKind::logical_and, greater(u.y, 0), less(u.y, 1));
  return where(inside, u.dy * u.attribute("alpha", 0.2f), 0);
}

}  // namespace

extern const OpInfo hard_sigmoid_info =
    with_gradient(unary_op<HardSigmoid>(ir::OpKind::hard_sigmoid, verify, fixed_range<0, 1>), unary_gradient<gradient>);

}  // namespace edgesmith::ops::hard_sigmoid_op
