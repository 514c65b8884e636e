// SPDX-License-Identifier: Apache-2.0
// Elu: y = x where x >= 0, alpha * (exp(x) - 1) below. Shape and type as x. Attribute: alpha = 1. Types: f16, bf16,
// f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::elu_op {
namespace {

struct Elu {
  explicit Elu(const ir::Node& node) : alpha(node.attributes().get_float("alpha", 1.0f)) {}
  template <typename T>
  T operator()(T x) const {
    return x < T{0} ? static_cast<T>(alpha) * std::expm1(x) : x;
  }
  float alpha;
};

Status verify(const ir::Node& node) { return check_attributes(node, {{"alpha", AttributeKind::real}}); }

// Below 0, alpha * exp(x) = y + alpha.
Term gradient(const Unary& u) { return where(less(u.x, 0), u.dy * (u.y + u.attribute("alpha", 1.0f)), u.dy); }

}  // namespace

extern const OpInfo elu_info =
    with_gradient(unary_op<Elu>(ir::OpKind::elu, verify, compute_one), unary_gradient<gradient>);

}  // namespace edgesmith::ops::elu_op
