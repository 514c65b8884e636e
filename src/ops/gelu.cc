// SPDX-License-Identifier: Apache-2.0
// Gelu: y = x * Phi(x), Phi the normal distribution function (Hendrycks and Gimpel 2016). Attribute approximate: "none"
// (default), y = 0.5 * x * (1 + erf(x / sqrt(2))); "tanh", y = 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 *
// x^3))). Shape and type as x. Types: f16, bf16, f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::gelu_op {
namespace {

struct Gelu {
  explicit Gelu(const ir::Node& node) : by_tanh(node.attributes().get_string("approximate", "none") == "tanh") {}
  template <typename T>
  T operator()(T x) const {
    constexpr double kSqrtHalf = 0.70710678118654752440, kSqrtTwoOverPi = 0.79788456080286535588;
    if (!by_tanh) return T{0.5} * x * (T{1} + std::erf(x * static_cast<T>(kSqrtHalf)));
    return T{0.5} * x * (T{1} + std::tanh(static_cast<T>(kSqrtTwoOverPi) * (x + static_cast<T>(0.044715) * x * x * x)));
  }
  bool by_tanh;
};

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"approximate", AttributeKind::text}}));
  const std::string approximate = node.attributes().get_string("approximate", "none");
  if (approximate == "none" || approximate == "tanh") return {};
  return invalid_error("attribute 'approximate' is '" + approximate + "', must be 'none' or 'tanh'");
}

// Phi(x) + x * Phi'(x), and the same of its approximation.
Term gradient(const Unary& u) {
  constexpr double kSqrtHalf = 0.70710678118654752440, kSqrtTwoOverPi = 0.79788456080286535588;
  constexpr double kDensityAtZero = 0.39894228040143267794, kCubic = 0.044715;
  if (u.node.attributes().get_string("approximate", "none") != "tanh") {
    const Term normal = (apply(ir::OpKind::erf, u.x * kSqrtHalf) + 1) * 0.5;
    return u.dy * (normal + u.x * exp(u.x * u.x * -0.5) * kDensityAtZero);
  }
  const Term square = u.x * u.x;
  const Term t = apply(ir::OpKind::tanh, u.x * (square * kCubic + 1) * kSqrtTwoOverPi);
  const Term slope = (square * (3 * kCubic) + 1) * kSqrtTwoOverPi;
  return u.dy * 0.5 * (t + 1 + u.x * (1 - t * t) * slope);
}

}  // namespace

extern const OpInfo gelu_info =
    with_gradient(unary_op<Gelu>(ir::OpKind::gelu, verify, compute_one), unary_gradient<gradient>);

}  // namespace edgesmith::ops::gelu_op
