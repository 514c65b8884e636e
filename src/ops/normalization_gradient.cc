// SPDX-License-Identifier: Apache-2.0
// normalization_gradient: the gradient of y = z * scale + bias, where z = (x - mean) / sqrt(variance + epsilon) over
// the axes from `axis` on (a row), or z = x / sqrt(mean of x^2 + epsilon). A part of training graphs, behind
// layer_normalization and its kin; not in ONNX. With averages <> over a row, g = dy * scale and r the factor of z:
//
//   dx = r * (g - <g> - z * <g * z>), without <g> where x is not centered
//   dscale = sum over the rows of dy * z, dbias = sum over the rows of dy
//
// Operands: dy, x, optional scale with the dims of a row. Results: dx, and on request dscale and dbias with the dims of
// a row. Attributes: axis (default -1), centered (default 1), epsilon (default 1e-5). Sums in f64. f32, f64; f16 and
// bf16 through f32.
#include <cmath>
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"

namespace edgesmith::ops::normalization_gradient_op {
namespace {

Result<int> axis_of(const ir::Node& node, int rank) {
  return normalize_axis(node.attributes().get_int("axis", -1), rank);
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(
      node,
      {{"axis", AttributeKind::integer}, {"centered", AttributeKind::integer}, {"epsilon", AttributeKind::real}}));
  EDGESMITH_TRY(check_flag(node, "centered"));
  EDGESMITH_TRY(check_same_dtype(node, {0, 1, 2}));
  const ir::Type& x = node.input(1)->type();
  if (!x.has_rank()) return {};
  const auto axis = axis_of(node, x.rank());
  return axis ? Status{} : axis.error();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  const ir::Type& x = node.input(1)->type();
  ir::Type row{x.dtype, std::nullopt};
  if (x.has_rank()) {
    const auto axis = axis_of(node, x.rank());
    if (!axis) return axis.error();
    row.shape = ir::Shape(x.shape->begin() + *axis, x.shape->end());
  }
  std::vector<ir::Type> types = {x, row, row};
  types.resize(static_cast<size_t>(node.num_outputs()));
  return types;
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &dy = *inputs[0], &x = *inputs[1];
  const ir::Tensor* scale = operand(inputs, 2);
  const auto axis = axis_of(node, x.rank());
  if (!axis) return axis.error();
  const ir::Dims row(x.dims().begin() + *axis, x.dims().end());
  if (dy.dims() != x.dims() || dy.dtype() != x.dtype() ||
      (scale != nullptr && (scale->dims() != row || scale->dtype() != x.dtype()))) {
    return invalid_error("the gradient is " + dy.type().text() +
                         (scale != nullptr ? ", scale is " + scale->type().text() : "") + " for x " + x.type().text() +
                         " at axis " + std::to_string(*axis));
  }
  const bool centered = node.attributes().get_int("centered", 1) != 0;
  const auto epsilon = static_cast<double>(node.attributes().get_float("epsilon", 1e-5F));
  const auto length = static_cast<size_t>(ir::num_elements(row));
  const size_t rows = length == 0 ? 0 : static_cast<size_t>(x.size()) / length;
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    ir::Tensor dx = ir::Tensor::zeros(x.dtype(), x.dims());
    const auto to = dx.mutable_data<T>();
    std::vector<double> z(length), g(length), dscale(length, 0.0), dbias(length, 0.0);
    for (size_t r = 0; r < rows; ++r) {
      const T *from = x.data<T>().data() + r * length, *slope = dy.data<T>().data() + r * length;
      const auto average = [&](const auto& f) {
        double sum = 0;
        for (size_t i = 0; i < length; ++i) sum += f(i);
        return sum / static_cast<double>(length);
      };
      const double mean = centered ? average([&](size_t i) { return static_cast<double>(from[i]); }) : 0;
      for (size_t i = 0; i < length; ++i) z[i] = static_cast<double>(from[i]) - mean;
      const double factor = 1 / std::sqrt(average([&](size_t i) { return z[i] * z[i]; }) + epsilon);
      for (size_t i = 0; i < length; ++i) {
        z[i] *= factor;
        const auto own = static_cast<double>(slope[i]);
        g[i] = own * (scale != nullptr ? static_cast<double>(scale->data<T>()[i]) : 1);
        dscale[i] += own * z[i];
        dbias[i] += own;
      }
      const double shift = centered ? average([&](size_t i) { return g[i]; }) : 0;
      const double tilt = average([&](size_t i) { return g[i] * z[i]; });
      for (size_t i = 0; i < length; ++i) {
        to[r * length + i] = static_cast<T>(factor * (g[i] - shift - z[i] * tilt));
      }
    }
    std::vector<ir::Tensor> results = {std::move(dx)};
    for (const std::vector<double>* sums : {&dscale, &dbias}) {
      results.push_back(ir::Tensor::zeros(x.dtype(), row));
      const auto out = results.back().mutable_data<T>();
      for (size_t i = 0; i < length; ++i) out[i] = static_cast<T>((*sums)[i]);
    }
    results.resize(static_cast<size_t>(node.num_outputs()));
    return results;
  });
}

}  // namespace

extern const OpInfo normalization_gradient_info = {.kind = ir::OpKind::normalization_gradient,
                                                   .min_inputs = 2,
                                                   .max_inputs = 3,
                                                   .min_outputs = 1,
                                                   .max_outputs = 3,
                                                   .verify = verify,
                                                   .infer = infer,
                                                   .eval = half_as_float<eval>,
                                                   .cost = nullptr,
                                                   .quant = nullptr,
                                                   .no_gradient = kSecondDerivative};

}  // namespace edgesmith::ops::normalization_gradient_op
