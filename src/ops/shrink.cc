// SPDX-License-Identifier: Apache-2.0
// shrink: y = x + bias where x < -lambd, x - bias where x > lambd, 0 between. Attributes: bias = 0, lambd = 0.5. Shape
// and type as x. Every number type but i4 and its kin (f16 and bf16 through f32).
#include "ops/gradient_rules.h"
#include "ops/unary.h"

namespace edgesmith::ops::shrink_op {
namespace {

struct Shrink {
  double bias, lambd;
  explicit Shrink(const ir::Node& node)
      : bias(static_cast<double>(node.attributes().get_float("bias", 0.0F))),
        lambd(static_cast<double>(node.attributes().get_float("lambd", 0.5F))) {}
  template <typename T>
  T operator()(T x) const {
    const auto value = static_cast<double>(x);
    if (value < -lambd) return saturating_cast<T>(value + bias);
    if (value > lambd) return saturating_cast<T>(value - bias);
    return T{0};
  }
};

Status verify(const ir::Node& node) {
  return check_attributes(node, {{"bias", AttributeKind::real}, {"lambd", AttributeKind::real}});
}

// dy beyond lambd on either side.
Term gradient(const Unary& u) {
  const double lambd = u.attribute("lambd", 0.5F);
  const Term above = where(greater(u.x, lambd), u.dy, 0);
  return where(less(u.x, -lambd), u.dy, above);
}

}  // namespace

extern const OpInfo shrink_info = {.kind = ir::OpKind::shrink,
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .min_outputs = 1,
                                   .max_outputs = 1,
                                   .verify = verify,
                                   .infer = infer_unary,
                                   .eval = half_as_float<evaluate_unary<Shrink, NumberTypes>>,
                                   .cost = nullptr,
                                   .quant = nullptr,
                                   .channels = same_slices,
                                   .gradient = unary_gradient<gradient>};

}  // namespace edgesmith::ops::shrink_op
