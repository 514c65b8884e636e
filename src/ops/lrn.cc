// SPDX-License-Identifier: Apache-2.0
// lrn: y = x / (bias + alpha / size * sum of x^2 over `size` channels around)^beta, for x [N, C, ...] (Krizhevsky et
// al. 2012, section 3.3); of an even size the channel more stands behind. Attributes: alpha = 1e-4, beta = 0.75, bias
// = 1, size (required). f32, f64; f16 and bf16 through f32.
#include <algorithm>
#include <cmath>
#include <string>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::lrn_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"alpha", AttributeKind::real},
                                        {"beta", AttributeKind::real},
                                        {"bias", AttributeKind::real},
                                        {"size", AttributeKind::integer}}));
  const int64_t size = node.attributes().get_int("size", 0);
  if (size < 1) return invalid_error("size is " + std::to_string(size) + ", must be at least 1");
  const ir::Type& x = node.input(0)->type();
  if (x.has_rank() && x.rank() < 2) return invalid_error("x is " + x.text() + ", needs two dims or more");
  return {};
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return std::vector{node.input(0)->type()}; }

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  if (x.rank() < 2) return invalid_error("x is " + x.type().text() + ", needs two dims or more");
  const int64_t channels = x.dims()[1];
  const int64_t size = std::min(node.attributes().get_int("size", 1), 2 * channels + 1);
  const double divisor = static_cast<double>(node.attributes().get_int("size", 1));
  const double share = static_cast<double>(node.attributes().get_float("alpha", 1e-4F)) / divisor;
  const auto beta = static_cast<double>(node.attributes().get_float("beta", 0.75F));
  const auto bias = static_cast<double>(node.attributes().get_float("bias", 1.0F));
  const int64_t planes = x.dims()[0] * channels, plane = planes == 0 ? 0 : x.size() / planes;
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    ir::Tensor y = ir::Tensor::zeros(x.dtype(), x.dims());
    const T* from = x.data<T>().data();
    T* to = y.mutable_data<T>().data();
    for (int64_t p = 0; p < planes; ++p) {
      const int64_t c = p % channels;
      const int64_t first = std::max<int64_t>(0, c - (size - 1) / 2), last = std::min(channels - 1, c + size / 2);
      for (int64_t i = 0; i < plane; ++i) {
        double squares = 0;
        for (int64_t k = first; k <= last; ++k) {
          const auto value = static_cast<double>(from[(p - c + k) * plane + i]);
          squares += value * value;
        }
        const double own = static_cast<double>(from[p * plane + i]);
        to[p * plane + i] = static_cast<T>(own / std::pow(bias + share * squares, beta));
      }
    }
    return std::vector{std::move(y)};
  });
}

// The mean of a term of the dims of `x` over `size` channels around, of which `before` lie before; zeros lie outside.
Term window_mean(const Term& term, ir::Value& x, int64_t size, int64_t before) {
  GradientBuilder& build = *term.build;
  ir::Value& planes = build.append(ir::OpKind::reshape, {term.value, &build.ints({0, 0, -1})});  // [N, C, rest]
  ir::Value& mean = build.append(ir::OpKind::average_pool, {unsqueeze({&build, &planes, term.dtype}, {1}).value},
                                 {{"count_include_pad", int64_t{1}},
                                  {"kernel_shape", ir::Ints{size, 1}},
                                  {"pads", ir::Ints{before, 0, size - 1 - before, 0}}});
  return reshape_like({&build, &mean, term.dtype}, x);
}

// With s = bias + alpha * mean of x^2 over the channels around: dx = dy / s^beta - 2 * alpha * beta * x * mean of dy *
// y / s over the channels that have this one around.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Value& input = *node.input(0);
  const auto attribute = [&](std::string_view name, float fallback) {
    return static_cast<double>(node.attributes().get_float(name, fallback));
  };
  const double alpha = attribute("alpha", 1e-4F), beta = attribute("beta", 0.75F), bias = attribute("bias", 1.0F);
  const int64_t size = node.attributes().get_int("size", 1), before = (size - 1) / 2;
  const Term x = build.term(input), y = build.term(node.output()), dy = build.term(*outputs[0], x.dtype);
  const Term s = window_mean(x * x, input, size, before) * alpha + bias;
  const Term around = window_mean(dy * y / s, input, size, size - 1 - before);
  return std::vector{(dy * power(s, -beta) - x * around * (2 * alpha * beta)).value};
}

}  // namespace

extern const OpInfo lrn_info = {.kind = ir::OpKind::lrn,
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

}  // namespace edgesmith::ops::lrn_op
