// SPDX-License-Identifier: Apache-2.0
// rms_normalization: y = x / sqrt(mean of x^2 + epsilon) * scale, the mean over the axes from `axis` (default -1) on
// (Zhang and Sennrich 2019). Operands: x, scale, which broadcasts to x. Attributes: axis, epsilon (default 1e-5),
// stash_type (the mean is computed in f64). f32, f64; f16 and bf16 through f32.
#include <cmath>
#include <string>
#include <vector>

#include "ops/broadcast.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/normalized_rows.h"
#include "ops/slices.h"

namespace edgesmith::ops::rms_normalization_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(
      node,
      {{"axis", AttributeKind::integer}, {"epsilon", AttributeKind::real}, {"stash_type", AttributeKind::integer}}));
  EDGESMITH_TRY(check_same_dtype(node, {0, 1}));
  const ir::Type& x = node.input(0)->type();
  if (!x.has_rank()) return {};
  const auto axis = normalize_axis(node.attributes().get_int("axis", -1), x.rank());
  return axis ? Status{} : axis.error();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return std::vector{node.input(0)->type()}; }

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &given = *inputs[1];
  const auto axis = normalize_axis(node.attributes().get_int("axis", -1), x.rank());
  if (!axis) return axis.error();
  const auto dims = broadcast_dims(given.dims(), x.dims());
  if (!dims || *dims != x.dims() || given.dtype() != x.dtype()) {
    return invalid_error("scale is " + given.type().text() + " for x " + x.type().text());
  }
  const auto scale = rearrange(given, x.dims(), broadcast_strides(given.dims(), x.dims()));
  if (!scale) return scale.error();
  int64_t length = 1;
  for (auto d = static_cast<size_t>(*axis); d < x.dims().size(); ++d) length *= x.dims()[d];
  const auto epsilon = static_cast<double>(node.attributes().get_float("epsilon", 1e-5F));
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    ir::Tensor y = ir::Tensor::zeros(x.dtype(), x.dims());
    const auto from = x.data<T>(), by = scale->template data<T>();
    const auto to = y.mutable_data<T>();
    const auto step = static_cast<size_t>(length);
    for (size_t first = 0; first < to.size(); first += step) {
      double squares = 0;
      for (size_t i = first; i < first + step; ++i)
        squares += static_cast<double>(from[i]) * static_cast<double>(from[i]);
      const double factor = 1 / std::sqrt(squares / static_cast<double>(length) + epsilon);
      for (size_t i = first; i < first + step; ++i) {
        to[i] = static_cast<T>(static_cast<double>(from[i]) * factor) * by[i];
      }
    }
    return std::vector{std::move(y)};
  });
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const ir::Type& x = node.input(0)->type();
  const auto axis = normalize_axis(node.attributes().get_int("axis", -1), x.rank());
  if (!axis) return axis.error();
  const NormalizedRows rows = {*axis, /*centered=*/false, node.attributes().get_float("epsilon", 1e-5F)};
  return scaled_rows_gradient(build, node, build.term(*outputs[0], x.dtype), rows);
}

}  // namespace

extern const OpInfo rms_normalization_info = {.kind = ir::OpKind::rms_normalization,
                                              .min_inputs = 2,
                                              .max_inputs = 2,
                                              .min_outputs = 1,
                                              .max_outputs = 1,
                                              .verify = verify,
                                              .infer = infer,
                                              .eval = half_as_float<eval>,
                                              .cost = nullptr,
                                              .quant = nullptr,
                                              .channels = slices_before_axis,
                                              .gradient = gradient};

}  // namespace edgesmith::ops::rms_normalization_op
