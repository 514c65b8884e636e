// SPDX-License-Identifier: Apache-2.0
// LeakyRelu: y = x where x >= 0, alpha * x below. Shape and type as x. Attribute: alpha = 0.01. Types: f16, bf16, f32,
// f64.
// Quantized: computes codes of its own.
#include "ops/unary.h"

namespace edgesmith::ops::leaky_relu_op {
namespace {

struct LeakyRelu {
  explicit LeakyRelu(const ir::Node& node) : alpha(node.attributes().get_float("alpha", 0.01f)) {}
  template <typename T>
  T operator()(T x) const {
    return x < T{0} ? static_cast<T>(alpha) * x : x;
  }
  float alpha;
};

Status verify(const ir::Node& node) { return check_attributes(node, {{"alpha", AttributeKind::real}}); }

Term gradient(const Unary& u) { return where(less(u.x, 0), u.dy * u.attribute("alpha", 0.01f), u.dy); }

}  // namespace

extern const OpInfo leaky_relu_info =
    with_gradient(unary_op<LeakyRelu>(ir::OpKind::leaky_relu, verify, compute_one), unary_gradient<gradient>);

}  // namespace edgesmith::ops::leaky_relu_op
