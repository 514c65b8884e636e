// SPDX-License-Identifier: Apache-2.0
// layer_normalization: y = (x - mean) / sqrt(variance + epsilon) * scale + bias, mean and variance over the axes from
// `axis` (default -1) on (Ba, Kiros and Hinton 2016). Operands: x, scale, optional bias, which broadcast to x.
// Outputs: y, and on request mean and 1 / sqrt(variance + epsilon), with 1 for the normalized dims. Attributes: axis,
// epsilon (default 1e-5), stash_type (the type of the statistics; they are computed in f64). f32, f64; f16 and bf16
// through f32.
#include <cmath>
#include <string>
#include <vector>

#include "ops/broadcast.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/normalized_rows.h"
#include "ops/operands.h"
#include "ops/slices.h"

namespace edgesmith::ops::layer_normalization_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(
      node,
      {{"axis", AttributeKind::integer}, {"epsilon", AttributeKind::real}, {"stash_type", AttributeKind::integer}}));
  const int64_t stash = node.attributes().get_int("stash_type", 1);
  if (stash != 1) return unsupported_error("statistics of element type " + std::to_string(stash), "use stash_type 1");
  EDGESMITH_TRY(check_same_dtype(node, {0, 1, 2}));
  const ir::Type& x = node.input(0)->type();
  if (!x.has_rank()) return {};
  const auto axis = normalize_axis(node.attributes().get_int("axis", -1), x.rank());
  return axis ? Status{} : axis.error();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  const ir::Type& x = node.input(0)->type();
  std::vector<ir::Type> types = {x};
  ir::Type statistics{ir::DType::f32, x.shape};
  if (x.dtype == ir::DType::f64 || x.dtype == ir::DType::undefined) statistics.dtype = x.dtype;
  if (x.has_rank()) {
    const auto axis = normalize_axis(node.attributes().get_int("axis", -1), x.rank());
    if (!axis) return axis.error();
    for (auto d = static_cast<size_t>(*axis); d < statistics.shape->size(); ++d) (*statistics.shape)[d] = ir::Dim(1);
  }
  for (int i = 1; i < node.num_outputs(); ++i) types.push_back(statistics);
  return types;
}

// `operand` stretched to x's dims.
Result<ir::Tensor> stretched(const ir::Tensor& operand, const ir::Tensor& x) {
  const auto dims = broadcast_dims(operand.dims(), x.dims());
  if (!dims || *dims != x.dims() || operand.dtype() != x.dtype()) {
    return invalid_error("scale or bias is " + operand.type().text() + " for x " + x.type().text());
  }
  return rearrange(operand, x.dims(), broadcast_strides(operand.dims(), x.dims()));
}

Result<std::vector<ir::Tensor>> normalize(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto axis = normalize_axis(node.attributes().get_int("axis", -1), x.rank());
  if (!axis) return axis.error();
  ir::Dims outer = x.dims();
  int64_t length = 1;
  for (auto d = static_cast<size_t>(*axis); d < outer.size(); ++d) {
    length *= outer[d];
    outer[d] = 1;
  }
  auto scale = stretched(*inputs[1], x);
  if (!scale) return scale.error();
  const ir::Tensor* given = operand(inputs, 2);
  auto bias = given != nullptr ? stretched(*given, x) : Result<ir::Tensor>(ir::Tensor::zeros(x.dtype(), x.dims()));
  if (!bias) return bias.error();
  const auto epsilon = static_cast<double>(node.attributes().get_float("epsilon", 1e-5F));
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    ir::Tensor y = ir::Tensor::zeros(x.dtype(), x.dims());
    ir::Tensor means = ir::Tensor::zeros(x.dtype(), outer), factors = ir::Tensor::zeros(x.dtype(), outer);
    const auto from = x.data<T>(), by = scale->data<T>(), plus = bias->data<T>();
    const auto to = y.mutable_data<T>(), mean_of = means.mutable_data<T>(), factor_of = factors.mutable_data<T>();
    for (size_t row = 0; length > 0 && row < mean_of.size(); ++row) {
      const size_t first = row * static_cast<size_t>(length), last = first + static_cast<size_t>(length);
      double sum = 0, squares = 0;
      for (size_t i = first; i < last; ++i) sum += static_cast<double>(from[i]);
      const double mean = sum / static_cast<double>(length);
      for (size_t i = first; i < last; ++i) {
        squares += (static_cast<double>(from[i]) - mean) * (static_cast<double>(from[i]) - mean);
      }
      const double factor = 1 / std::sqrt(squares / static_cast<double>(length) + epsilon);
      mean_of[row] = static_cast<T>(mean);
      factor_of[row] = static_cast<T>(factor);
      for (size_t i = first; i < last; ++i) {
        to[i] = static_cast<T>((static_cast<double>(from[i]) - mean) * factor) * by[i] + plus[i];
      }
    }
    std::vector<ir::Tensor> results = {std::move(y), std::move(means), std::move(factors)};
    results.resize(static_cast<size_t>(node.num_outputs()));
    return results;
  });
}

// Halves: y is a half, the statistics stay f32.
Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::DType dtype = inputs[0]->dtype();
  if (dtype != ir::DType::f16 && dtype != ir::DType::bf16) return normalize(node, inputs);
  std::vector<ir::Tensor> wide;
  for (const ir::Tensor* input : inputs) {
    if (input != nullptr && input->dtype() != dtype) {
      return invalid_error("an operand is " + input->type().text() + " for x " + inputs[0]->type().text());
    }
    wide.push_back(input != nullptr ? widen_half(*input) : ir::Tensor());
  }
  std::vector<const ir::Tensor*> operands;
  for (size_t i = 0; i < wide.size(); ++i) operands.push_back(inputs[i] != nullptr ? &wide[i] : nullptr);
  auto results = normalize(node, operands);
  if (results.ok()) (*results)[0] = round_to_half((*results)[0], dtype);
  return results;
}

// What comes in through the statistics, of n elements each: dmean / n - dinverse * inverse^3 * (x - mean) / n.
Term through_statistics(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs, int axis) {
  ir::Value& input = *node.input(0);
  const Term x = build.term(input);
  ir::Ints axes;
  for (int d = axis; d < input.type().rank(); ++d) axes.push_back(d);
  const Term count = count_along(build, input, axes, x.dtype);
  const auto statistic = [&](int i) { return cast(build.term(node.output(i)), x.dtype); };
  const auto gradient_of = [&](size_t i) {
    return cast(build.term(*outputs[i], node.output(static_cast<int>(i)).type().dtype), x.dtype) / count;
  };
  Term dx;
  if (outputs.size() > 1 && outputs[1] != nullptr) dx = expand_like(gradient_of(1), input);
  if (outputs.size() > 2 && outputs[2] != nullptr) {
    const Term inverse = statistic(2);
    const Term part = (x - statistic(1)) * (gradient_of(2) * inverse * inverse * inverse);
    dx = dx.value == nullptr ? -part : dx - part;
  }
  return dx;
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const ir::Type& x = node.input(0)->type();
  const auto axis = normalize_axis(node.attributes().get_int("axis", -1), x.rank());
  if (!axis) return axis.error();
  std::vector<ir::Value*> gradients(3);
  if (outputs[0] != nullptr) {
    const NormalizedRows rows = {*axis, /*centered=*/true, node.attributes().get_float("epsilon", 1e-5F)};
    auto made = scaled_rows_gradient(build, node, build.term(*outputs[0], x.dtype), rows);
    if (!made) return made;
    gradients = std::move(*made);
  }
  if (!build.wants(0)) return gradients;
  const Term part = through_statistics(build, node, outputs, *axis);
  if (part.value != nullptr) {
    gradients[0] = gradients[0] == nullptr ? part.value : (build.term(*gradients[0], x.dtype) + part).value;
  }
  return gradients;
}

}  // namespace

extern const OpInfo layer_normalization_info = {.kind = ir::OpKind::layer_normalization,
                                                .min_inputs = 2,
                                                .max_inputs = 3,
                                                .min_outputs = 1,
                                                .max_outputs = 3,
                                                .verify = verify,
                                                .infer = infer,
                                                .eval = eval,
                                                .cost = nullptr,
                                                .quant = nullptr,
                                                .channels = slices_before_axis,
                                                .gradient = gradient};

}  // namespace edgesmith::ops::layer_normalization_op
