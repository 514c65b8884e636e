// SPDX-License-Identifier: Apache-2.0
// Celu: y = max(0, x) + min(0, alpha * (exp(x / alpha) - 1)) (Barron 2017). Shape and type as x. Attribute: alpha = 1.
// Types: f16, bf16, f32, f64. (ONNX: f32 only.)
#include "ops/unary.h"

namespace edgesmith::ops::celu_op {
namespace {

struct Celu {
  explicit Celu(const ir::Node& node) : alpha(node.attributes().get_float("alpha", 1.0f)) {}
  template <typename T>
  T operator()(T x) const {
    const T a = static_cast<T>(alpha);
    return x < T{0} ? a * std::expm1(x / a) : x;
  }
  float alpha;
};

Status verify(const ir::Node& node) { return check_attributes(node, {{"alpha", AttributeKind::real}}); }

Term gradient(const Unary& u) { return where(less(u.x, 0), u.dy * exp(u.x / u.attribute("alpha", 1.0f)), u.dy); }

}  // namespace

extern const OpInfo celu_info =
    with_gradient(unary_op<Celu>(ir::OpKind::celu, verify, compute_one), unary_gradient<gradient>);

}  // namespace edgesmith::ops::celu_op
