// SPDX-License-Identifier: Apache-2.0
// Min: y = the smallest of the operands, element by element; NaN where one is NaN. One operand or more of one type,
// numpy broadcasting; no attributes. Types: every integer of 8 to 64 bits, f16, bf16, f32, f64.
// Shape arithmetic: numbers, and a symbol against a number <= 0. Quantized: moves codes, all operands on one scale.
#include "ops/broadcast.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::min_op {
namespace {

struct Min {
  template <typename T>
  T operator()(T a, T b) const {
    if (a != a) return a;  // NaN
    return a < b ? a : b;
  }
};

Element min_elements(const Element& a, const Element& b, bool) {
  if (a.number && b.number) return *a.number < *b.number ? a : b;
  if (a.same_symbol(b)) return a;
  if (!a.symbol.empty() && b.number && *b.number <= 0) return b;
  return !b.symbol.empty() && a.number && *a.number <= 0 ? a : Element{};
}

}  // namespace

extern const OpInfo min_info = {.kind = ir::OpKind::min,
                                .min_inputs = 1,
                                .max_inputs = -1,
                                .min_outputs = 1,
                                .max_outputs = 1,
                                .verify = verify_broadcast,
                                .infer = infer_arithmetic<min_elements>,
                                .eval = half_as_float<evaluate_variadic<Min, NumberTypes>>,
                                .cost = variadic_cost,
                                .quant = transparent_all,
                                .channels = broadcast_slices,
                                .gradient = winner_gradient};

}  // namespace edgesmith::ops::min_op
