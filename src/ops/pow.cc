// SPDX-License-Identifier: Apache-2.0
// Pow: y = a^b, in the type of a. numpy broadcasting; no attributes. Integers to a power >= 0 are exact and wrap
// around; everything else is computed in f64 and converted (to an integer: towards zero, saturating). Types: a i32,
// i64, f16, bf16, f32, f64; b every integer of 8 to 64 bits, f16, bf16, f32, f64, not necessarily that of a.
#include "ops/broadcast.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::pow_op {
namespace {

/// The exponents in the type that the power is computed in.
template <typename To>
Result<std::vector<To>> exponents(const ir::Tensor& b) {
  return dispatch(NumberTypes{}, b.dtype(), [&]<typename T>() -> Result<std::vector<To>> {
    const auto values = b.data<T>();
    return std::vector<To>(values.begin(), values.end());
  });
}

template <typename T>
T integer_power(T base, int64_t exponent) {
  if (exponent < 0) return saturating_cast<T>(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  T result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = wrapping_multiply(result, base);
    base = wrapping_multiply(base, base);
  }
  return result;
}

template <typename T>
T real_power(T base, double exponent) {
  return saturating_cast<T>(std::pow(static_cast<double>(base), exponent));
}

template <typename T>
Result<ir::Tensor> power(const ir::Tensor& a, const ir::Tensor& b) {
  if (std::is_integral_v<T> && ir::is_integer(b.dtype())) {
    const auto values = exponents<int64_t>(b);
    if (!values) return values.error();
    return map_broadcast<T, int64_t, T>(a, a.data<T>(), b, std::span(*values), integer_power<T>);
  }
  const auto values = exponents<double>(b);
  if (!values) return values.error();
  return map_broadcast<T, double, T>(a, a.data<T>(), b, std::span(*values), real_power<T>);
}

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  using Bases = Join<FloatTypes, Types<int32_t, int64_t>>;
  return dispatch(Bases{}, inputs[0]->dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    auto y = power<T>(*inputs[0], *inputs[1]);
    if (!y) return y.error();
    return std::vector{std::move(*y)};
  });
}

// da = dy * b * a^(b - 1), db = dy * y * log(a); a base that has no logarithm (0 and below) gives none to b.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const ir::DType dtype = node.output().type().dtype;
  const Term dy = build.term(*outputs[0], dtype), a = build.term(*node.input(0)), y = build.term(node.output());
  const Term b = cast(build.term(*node.input(1)), dtype);
  std::vector<ir::Value*> gradients(2);
  if (build.wants(0)) {
    gradients[0] = sum_to(dy * b * apply(ir::OpKind::pow, a, b - 1), node.output(), *node.input(0)).value;
  }
  if (build.wants(1)) {
    const Term slope = y * where(greater(a, 0), log(a), 0);
    gradients[1] = sum_to(cast(dy * slope, node.input(1)->type().dtype), node.output(), *node.input(1)).value;
  }
  return gradients;
}

}  // namespace

extern const OpInfo pow_info = {.kind = ir::OpKind::pow,
                                .min_inputs = 2,
                                .max_inputs = 2,
                                .min_outputs = 1,
                                .max_outputs = 1,
                                .verify = no_attributes,
                                .infer = infer_broadcast,
                                .eval = half_as_float<eval>,
                                .cost = nullptr,
                                .quant = nullptr,
                                .channels = broadcast_slices,
                                .gradient = gradient};

}  // namespace edgesmith::ops::pow_op
