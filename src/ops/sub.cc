// SPDX-License-Identifier: Apache-2.0
// Sub: y = a - b. Operands of one type, numpy broadcasting; no attributes. Integers wrap around. Types: every integer
// of 8 to 64 bits, f16, bf16, f32, f64.
// Shape arithmetic: numbers are subtracted, subtracting 0 keeps a symbol, a symbol less itself is 0.
#include "ops/broadcast.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::sub_op {
namespace {

struct Sub {
  template <typename T>
  T operator()(T a, T b) const {
    return wrapping_subtract(a, b);
  }
};

Element sub_elements(const Element& a, const Element& b, bool) {
  if (a.number && b.number) return {.number = wrapping_subtract(*a.number, *b.number), .symbol = {}};
  if (a.same_symbol(b)) return {.number = 0, .symbol = {}};
  return b.is(0) ? a : Element{};
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term dy = build.term(*outputs[0], node.output().type().dtype);
  return both_sums(node, dy, build.wants(1) ? -dy : dy);
}

}  // namespace

extern const OpInfo sub_info =
    with_gradient(binary_op<Sub, NumberTypes>(ir::OpKind::sub, infer_arithmetic<sub_elements>, compute_two), gradient);

}  // namespace edgesmith::ops::sub_op
