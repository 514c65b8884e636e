// SPDX-License-Identifier: Apache-2.0
// Selu: y = gamma * x where x > 0, gamma * (alpha * exp(x) - alpha) elsewhere (Klambauer et al. 2017). Shape and type
// as x. Attributes: alpha = 1.67326, gamma = 1.0507 (to float precision). Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::selu_op {
namespace {

struct Selu {
  explicit Selu(const ir::Node& node)
      : alpha(node.attributes().get_float("alpha", 1.67326319217681884765625f)),
        gamma(node.attributes().get_float("gamma", 1.05070102214813232421875f)) {}
  template <typename T>
  T operator()(T x) const {
    const T negative = static_cast<T>(alpha) * std::expm1(x);
    return static_cast<T>(gamma) * (x > T{0} ? x : negative);
  }
  float alpha, gamma;
};

Status verify(const ir::Node& node) {
  return check_attributes(node, {{"alpha", AttributeKind::real}, {"gamma", AttributeKind::real}});
}

// Below 0, gamma * alpha * exp(x) = y + gamma * alpha.
Term gradient(const Unary& u) {
  const double alpha = u.attribute("alpha", 1.67326319217681884765625f);
  const double gamma = u.attribute("gamma", 1.05070102214813232421875f);
  return where(greater(u.x, 0), u.dy * gamma, u.dy * (u.y + alpha * gamma));
}

}  // namespace

extern const OpInfo selu_info =
    with_gradient(unary_op<Selu>(ir::OpKind::selu, verify, compute_one), unary_gradient<gradient>);

}  // namespace edgesmith::ops::selu_op
