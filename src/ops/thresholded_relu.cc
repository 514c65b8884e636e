// SPDX-License-Identifier: Apache-2.0
// ThresholdedRelu: y = x where x > alpha, 0 elsewhere. Shape and type as x. Attribute: alpha = 1. Types: f16, bf16,
// f32, f64.
#include "ops/unary.h"

namespace edgesmith::ops::thresholded_relu_op {
namespace {

struct ThresholdedRelu {
  explicit ThresholdedRelu(const ir::Node& node) : alpha(node.attributes().get_float("alpha", 1.0f)) {}
  template <typename T>
  T operator()(T x) const {
    return x > static_cast<T>(alpha) ? x : T{0};
  }
  float alpha;
};

Status verify(const ir::Node& node) { return check_attributes(node, {{"alpha", AttributeKind::real}}); }

Term gradient(const Unary& u) { return where(greater(u.x, u.attribute("alpha", 1.0f)), u.dy, 0); }

}  // namespace

extern const OpInfo thresholded_relu_info = with_gradient(
    unary_op<ThresholdedRelu>(ir::OpKind::thresholded_relu, verify, compute_one), unary_gradient<gradient>);

}  // namespace edgesmith::ops::thresholded_relu_op
