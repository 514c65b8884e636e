// SPDX-License-Identifier: Apache-2.0
// lp_normalization: x over the p-norm of its line along `axis` (default -1), p = 1 or 2 (attribute, default 2); a line
// of zeros stays zero. f32, f64; f16 and bf16 through f32.
#include <cmath>
#include <string>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::lp_normalization_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"axis", AttributeKind::integer}, {"p", AttributeKind::integer}}));
  const int64_t p = node.attributes().get_int("p", 2);
  if (p != 1 && p != 2) return invalid_error("p is " + std::to_string(p) + ", must be 1 or 2");
  const ir::Type& x = node.input(0)->type();
  if (!x.has_rank()) return {};
  const auto axis = normalize_axis(node.attributes().get_int("axis", -1), x.rank());
  return axis ? Status{} : axis.error();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return std::vector{node.input(0)->type()}; }

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto axis = normalize_axis(node.attributes().get_int("axis", -1), x.rank());
  if (!axis) return axis.error();
  const bool euclidean = node.attributes().get_int("p", 2) == 2;
  const int64_t length = x.dims()[static_cast<size_t>(*axis)], step = strides_of(x.dims())[static_cast<size_t>(*axis)];
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    ir::Tensor y = ir::Tensor::zeros(x.dtype(), x.dims());
    const T* from = x.data<T>().data();
    T* to = y.mutable_data<T>().data();
    for (int64_t line = 0; length > 0 && line < x.size() / length; ++line) {
      const int64_t start = line / step * step * length + line % step;
      double sum = 0;
      for (int64_t i = 0; i < length; ++i) {
        const auto value = static_cast<double>(from[start + i * step]);
        sum += euclidean ? value * value : std::fabs(value);
      }
      const double norm = euclidean ? std::sqrt(sum) : sum;
      for (int64_t i = 0; norm > 0 && i < length; ++i) {
        to[start + i * step] = static_cast<T>(static_cast<double>(from[start + i * step]) / norm);
      }
    }
    return std::vector{std::move(y)};
  });
}

// With n the norm: dx = (dy - s * sum of dy * y) / n, where s = y for p = 2 and the signs of x for p = 1. A line of
// zeros has a kink there; it gives zeros.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term x = build.term(*node.input(0)), y = build.term(node.output()), dy = build.term(*outputs[0], x.dtype);
  const auto axis = normalize_axis(node.attributes().get_int("axis", -1), node.input(0)->type().rank());
  if (!axis) return axis.error();
  const ir::Ints axes = {*axis};
  const bool euclidean = node.attributes().get_int("p", 2) == 2;
  const Term sum = reduce_sum(euclidean ? x * x : apply(ir::OpKind::abs, x), axes, /*keep_dims=*/true);
  const Term norm = euclidean ? sqrt(sum) : sum;
  const Term slope = euclidean ? y : apply(ir::OpKind::sign, x);
  const Term along = dy - slope * reduce_sum(dy * y, axes, /*keep_dims=*/true);
  const Term some = greater(norm, 0);
  return std::vector{(where(some, along, 0) / where(some, norm, 1)).value};
}

}  // namespace

extern const OpInfo lp_normalization_info = {.kind = ir::OpKind::lp_normalization,
                                             .min_inputs = 1,
                                             .max_inputs = 1,
                                             .min_outputs = 1,
                                             .max_outputs = 1,
                                             .verify = verify,
                                             .infer = infer,
                                             .eval = half_as_float<eval>,
                                             .cost = nullptr,
                                             .quant = nullptr,
                                             .gradient = gradient};

}  // namespace edgesmith::ops::lp_normalization_op
