// SPDX-License-Identifier: Apache-2.0
// Max: y = the largest of the operands, element by element; NaN where one is NaN. One operand or more of one type,
// numpy broadcasting; no attributes. Types: every integer of 8 to 64 bits, f16, bf16, f32, f64.
// Shape arithmetic: numbers, and a symbol against a number <= 0. Quantized: moves codes, all operands on one scale.
#include "ops/broadcast.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::max_op {
namespace {

struct Max {
  template <typename T>
  T operator()(T a, T b) const {
    if (a != a) return a;  // NaN
    return a > b ? a : b;
  }
};

Element max_elements(const Element& a, const Element& b, bool) {
  if (a.number && b.number) return *a.number > *b.number ? a : b;
  if (a.same_symbol(b)) return a;
  if (!a.symbol.empty() && b.number && *b.number <= 0) return a;
  return !b.symbol.empty() && a.number && *a.number <= 0 ? b : Element{};
}

}  // namespace

extern const OpInfo max_info = {.kind = ir::OpKind::max,
                                .min_inputs = 1,
                                .max_inputs = -1,
                                .min_outputs = 1,
                                .max_outputs = 1,
                                .verify = verify_broadcast,
                                .infer = infer_arithmetic<max_elements>,
                                .eval = half_as_float<evaluate_variadic<Max, NumberTypes>>,
                                .cost = variadic_cost,
                                .quant = transparent_all,
                                .channels = broadcast_slices,
                                .gradient = winner_gradient};

}  // namespace edgesmith::ops::max_op
