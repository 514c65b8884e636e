// SPDX-License-Identifier: Apache-2.0
// Mul: y = a * b. Operands of one type, numpy broadcasting; no attributes. Integers wrap around. Types: every integer
// of 8 to 64 bits, f16, bf16, f32, f64.
// Shape arithmetic: numbers are multiplied, 0 times anything is 0, 1 times a symbol is the symbol. Quantized: computes
// codes of its own from both operands.
#include "ops/broadcast.h"

namespace edgesmith::ops {
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

}  // namespace

extern const OpInfo mul_info =
    binary_op<Mul, NumberTypes>(ir::OpKind::mul, infer_arithmetic<mul_elements>, compute_two);

}  // namespace edgesmith::ops
