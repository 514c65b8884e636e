// SPDX-License-Identifier: Apache-2.0
// Add: y = a + b. Operands of one type, numpy broadcasting; no attributes. Integers wrap around. Types: every integer
// of 8 to 64 bits, f16, bf16, f32, f64.
// Shape arithmetic: numbers are added, adding 0 keeps a symbol. Quantized: computes codes of its own from both
// operands.
#include "ops/broadcast.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::add_op {
namespace {

struct Add {
  template <typename T>
  T operator()(T a, T b) const {
    return wrapping_add(a, b);
  }
};

Element add_elements(const Element& a, const Element& b, bool) {
  if (a.number && b.number) return {.number = wrapping_add(*a.number, *b.number), .symbol = {}};
  if (a.is(0)) return b;
  return b.is(0) ? a : Element{};
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term dy = build.term(*outputs[0], node.output().type().dtype);
  return both_sums(node, dy, dy);
}

}  // namespace

extern const OpInfo add_info =
    with_gradient(binary_op<Add, NumberTypes>(ir::OpKind::add, infer_arithmetic<add_elements>, compute_two), gradient);

}  // namespace edgesmith::ops::add_op
