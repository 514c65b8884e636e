// SPDX-License-Identifier: Apache-2.0
// Div: y = a / b. Operands of one type, numpy broadcasting; no attributes. Integers divide towards zero; an integer
// divided by 0 is an error. Types: every integer of 8 to 64 bits, f16, bf16, f32, f64.
// Shape arithmetic: numbers are divided (floats only where the quotient is whole), dividing by 1 keeps a symbol.
#include "ops/broadcast.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::div_op {
namespace {

struct Div {
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_signed_v<T> && std::is_integral_v<T>) {
      if (b == T{-1}) return wrapping_subtract(T{0}, a);  // the smallest number has no negative
    }
    return static_cast<T>(a / b);
  }
};

Element div_elements(const Element& a, const Element& b, bool whole) {
  if (b.is(1)) return a;
  if (!a.number || !b.number || b.is(0) || b.is(-1)) return {};
  if (!whole && *a.number % *b.number != 0) return {};
  return {.number = *a.number / *b.number, .symbol = {}};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  EDGESMITH_TRY(check_divisor(*inputs[1]));
  return evaluate_binary<Div, NumberTypes>(node, inputs);
}

// da = dy / b, db = -dy * y / b.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term quotient = build.term(*outputs[0], node.output().type().dtype) / build.term(*node.input(1));
  return both_sums(node, quotient, build.wants(1) ? -quotient * build.term(node.output()) : quotient);
}

}  // namespace

extern const OpInfo div_info = {.kind = ir::OpKind::div,
                                .min_inputs = 2,
                                .max_inputs = 2,
                                .min_outputs = 1,
                                .max_outputs = 1,
                                .verify = verify_broadcast,
                                .infer = infer_arithmetic<div_elements>,
                                .eval = half_as_float<eval>,
                                .cost = nullptr,
                                .quant = nullptr,
                                .channels = broadcast_slices,
                                .gradient = gradient};

}  // namespace edgesmith::ops::div_op
