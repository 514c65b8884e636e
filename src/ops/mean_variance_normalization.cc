// SPDX-License-Identifier: Apache-2.0
// mean_variance_normalization: (x - mean) / (standard deviation + 1e-9), statistics over `axes` (attribute, default 0,
// 2, 3). f32, f64; f16 and bf16 through f32.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/normalized_rows.h"

namespace edgesmith::ops::mean_variance_normalization_op {
namespace {

constexpr double kEpsilon = 1e-9;  // as in ONNX's function

Result<std::vector<int>> axes_of(const ir::Node& node, int rank) {
  return normalize_axes(node.attributes().get_ints("axes", {0, 2, 3}), rank);
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"axes", AttributeKind::integers}}));
  const ir::Type& x = node.input(0)->type();
  if (!x.has_rank()) return {};
  const auto axes = axes_of(node, x.rank());
  return axes ? Status{} : axes.error();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return std::vector{node.input(0)->type()}; }

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto axes = axes_of(node, x.rank());
  if (!axes) return axes.error();
  ir::Dims kept = x.dims();
  for (const int axis : *axes) kept[static_cast<size_t>(axis)] = 1;
  const ir::Dims strides = strides_of(x.dims()), own = strides_of(kept);
  // Which statistics an element belongs to.
  const auto cell_of = [&](int64_t at) {
    int64_t cell = 0;
    for (size_t d = 0; d < kept.size(); ++d) cell += kept[d] == 1 ? 0 : at / strides[d] % kept[d] * own[d];
    return static_cast<size_t>(cell);
  };
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    ir::Tensor y = ir::Tensor::zeros(x.dtype(), x.dims());
    const auto from = x.data<T>();
    const auto to = y.mutable_data<T>();
    const auto cells = static_cast<size_t>(ir::num_elements(kept));
    std::vector<double> mean(cells, 0.0), variance(cells, 0.0);
    const double count = cells == 0 ? 1.0 : static_cast<double>(from.size()) / static_cast<double>(cells);
    for (size_t i = 0; i < from.size(); ++i)
      mean[cell_of(static_cast<int64_t>(i))] += static_cast<double>(from[i]) / count;
    for (size_t i = 0; i < from.size(); ++i) {
      const size_t cell = cell_of(static_cast<int64_t>(i));
      const double away = static_cast<double>(from[i]) - mean[cell];
      variance[cell] += away * away / count;
    }
    for (size_t i = 0; i < from.size(); ++i) {
      const size_t cell = cell_of(static_cast<int64_t>(i));
      to[i] = static_cast<T>((static_cast<double>(from[i]) - mean[cell]) / (std::sqrt(variance[cell]) + kEpsilon));
    }
    return std::vector{std::move(y)};
  });
}

// With averages <> over `axes`, s the deviation and e the epsilon: dx = (dy - <dy> - y * <dy * y> * (s + e) / s) / (s +
// e). Where s is 0 so are all y.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Value& input = *node.input(0);
  const auto places = axes_of(node, input.type().rank());
  if (!places) return places.error();
  const ir::Ints axes(places->begin(), places->end());
  const Term x = build.term(input), y = build.term(node.output()), dy = build.term(*outputs[0], x.dtype);
  const auto average = [&](const Term& term) { return average_along(term, input, axes); };
  const Term centered = x - average(x);
  const Term deviation = sqrt(average(centered * centered));
  const Term stretch = (deviation + kEpsilon) / where(greater(deviation, 0), deviation, 1);
  return std::vector{((dy - average(dy) - y * (average(dy * y) * stretch)) / (deviation + kEpsilon)).value};
}

}  // namespace

extern const OpInfo mean_variance_normalization_info = {.kind = ir::OpKind::mean_variance_normalization,
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

}  // namespace edgesmith::ops::mean_variance_normalization_op
