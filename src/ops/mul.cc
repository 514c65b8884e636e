// SPDX-License-Identifier: Apache-2.0
// Mul: y = a * b. Operands of one type, numpy broadcasting; no attributes. Integers wrap around. Types: every integer
// of 8 to 64 bits, f16, bf16, f32, f64.
// Shape arithmetic: numbers are multiplied, 0 times anything is 0, 1 times a symbol is the symbol. Quantized: computes
// codes of its own from both operands.
#include "ops/broadcast.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::mul_op {
namespace {

struct Mul {
  template <typename T>
  T operator()(T a, T b) const {
    return wrapping_multiply(a, b);
  }
};

Element mul_elements(const Element& a, const Element& b, bool) {
  if (a.number && b.number) return {.number = wrapping_multiply(*a.number, *b.number), .symbol = {}};
  if (a.is(0) || b.is(0)) return {.number = 0, .symbol = {}};
  if (a.is(1)) return b;
  return b.is(1) ? a : Element{};
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term dy = build.term(*outputs[0], node.output().type().dtype);
  const Term a = build.term(*node.input(0)), b = build.term(*node.input(1));
  return both_sums(node, build.wants(0) ? dy * b : dy, build.wants(1) ? dy * a : dy);
}

}  // namespace

extern const OpInfo mul_info =
    with_gradient(binary_op<Mul, NumberTypes>(ir::OpKind::mul, infer_arithmetic<mul_elements>, compute_two), gradient);

}  // namespace edgesmith::ops::mul_op
