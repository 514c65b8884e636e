// SPDX-License-Identifier: Apache-2.0
// Mod: the remainder of a / b. Attribute fmod = 0: y has the sign of b (a - floor(a / b) * b); fmod = 1: the sign of a
// (a - trunc(a / b) * b). Operands of one type, numpy broadcasting. An integer modulo 0 is an error. Types: every
// integer of 8 to 64 bits, f16, bf16, f32, f64.
// Shape arithmetic: numbers only.
#include "ops/broadcast.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::mod_op {
namespace {

struct Mod {
  explicit Mod(const ir::Node& node) : truncated(node.attributes().get_int("fmod", 0) != 0) {}
  template <typename T>
  T operator()(T a, T b) const {
    const T remainder = truncated_remainder(a, b);
    if (truncated) return remainder;
    if constexpr (std::is_floating_point_v<T>) {
      if (remainder == T{0}) return std::copysign(T{0}, b);
    }
    const bool other_sign = remainder != T{0} && (remainder < T{0}) != (b < T{0});
    return other_sign ? static_cast<T>(remainder + b) : remainder;
  }
  template <typename T>
  static T truncated_remainder(T a, T b) {
    if constexpr (std::is_floating_point_v<T>)
      return std::fmod(a, b);
    else if constexpr (std::is_signed_v<T>)
      return b == T{-1} ? T{0} : static_cast<T>(a % b);  // min % -1 traps
    else
      return static_cast<T>(a % b);
  }
  bool truncated;
};

Element mod_elements(const Element& a, const Element& b, bool whole) {
  if (!whole || !a.number || !b.number || *a.number < 0 || *b.number <= 0) return {};
  return {.number = *a.number % *b.number, .symbol = {}};
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"fmod", AttributeKind::integer}}));
  EDGESMITH_TRY(check_flag(node, "fmod"));
  return check_all_same_dtype(node);
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  EDGESMITH_TRY(check_divisor(*inputs[1]));
  return evaluate_binary<Mod, NumberTypes>(node, inputs);
}

// y = a - k * b with a whole k, which is (a - y) / b.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term dy = build.term(*outputs[0], node.output().type().dtype);
  const Term a = build.term(*node.input(0)), b = build.term(*node.input(1)), y = build.term(node.output());
  return both_sums(node, dy, build.wants(1) ? dy * (y - a) / b : dy);
}

}  // namespace

extern const OpInfo mod_info = {.kind = ir::OpKind::mod,
                                .min_inputs = 2,
                                .max_inputs = 2,
                                .min_outputs = 1,
                                .max_outputs = 1,
                                .verify = verify,
                                .infer = infer_arithmetic<mod_elements>,
                                .eval = half_as_float<eval>,
                                .cost = nullptr,
                                .quant = nullptr,
                                .gradient = gradient};

}  // namespace edgesmith::ops::mod_op
