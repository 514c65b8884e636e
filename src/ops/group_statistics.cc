// SPDX-License-Identifier: Apache-2.0
#include "ops/group_statistics.h"

#include <cmath>
#include <string>

#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/normalized_rows.h"

namespace edgesmith::ops {

Result<std::vector<ir::Tensor>> normalize_groups(std::span<const ir::Tensor* const> inputs, int64_t groups,
                                                 double epsilon) {
  const ir::Tensor& x = *inputs[0];
  const int64_t channels = x.rank() >= 2 ? x.dims()[1] : 0;
  if (x.rank() < 2 || groups < 1 || channels % groups != 0) {
    return invalid_error("x is " + x.type().text() + " for " + std::to_string(groups) + " groups of channels");
  }
  for (size_t i : {size_t{1}, size_t{2}}) {
    if (inputs[i]->dims() == ir::Dims{channels} && inputs[i]->dtype() == x.dtype()) continue;
    return invalid_error("operand " + std::to_string(i) + " is " + inputs[i]->type().text() + " for x " +
                         x.type().text());
  }
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    ir::Tensor y = ir::Tensor::zeros(x.dtype(), x.dims());
    const auto from = x.data<T>(), scale = inputs[1]->data<T>(), bias = inputs[2]->data<T>();
    const auto to = y.mutable_data<T>();
    const auto rows = static_cast<size_t>(x.dims()[0] * groups);
    const size_t length = rows == 0 ? 0 : from.size() / rows, of_group = static_cast<size_t>(channels / groups);
    for (size_t row = 0; length > 0 && row < rows; ++row) {
      const size_t first = row * length, plane = length / of_group;
      double sum = 0, squares = 0;
      for (size_t i = 0; i < length; ++i) sum += static_cast<double>(from[first + i]);
      const double mean = sum / static_cast<double>(length);
      for (size_t i = 0; i < length; ++i) {
        squares += (static_cast<double>(from[first + i]) - mean) * (static_cast<double>(from[first + i]) - mean);
      }
      const double factor = 1 / std::sqrt(squares / static_cast<double>(length) + epsilon);
      for (size_t i = 0; i < length; ++i) {
        const size_t c = row % static_cast<size_t>(groups) * of_group + i / plane;
        to[first + i] = static_cast<T>((static_cast<double>(from[first + i]) - mean) * factor) * scale[c] + bias[c];
      }
    }
    return std::vector{std::move(y)};
  });
}

// A group is a row of x as [N, groups, rest]. For scale the operator is computed once more, with a scale of 1.
Gradients normalized_groups_gradient(GradientBuilder& build, const ir::Node& node, const Term& dy, int64_t groups) {
  ir::Value &x = *node.input(0), &scale = *node.input(1);
  const int rank = x.type().rank();
  const float epsilon = node.attributes().get_float("epsilon", 1e-5F);
  const auto as_rows = [&](const Term& term) {
    return build.term(build.append(ir::OpKind::reshape, {term.value, &build.ints({0, groups, -1})}), term.dtype);
  };
  std::vector<ir::Value*> gradients(3);
  if (build.wants(0)) {
    const NormalizedRows rows = {.axis = 2, .centered = true, .epsilon = epsilon};
    const Term dz = dy * along_channels(build.term(scale), rank);
    gradients[0] = reshape_like(through_rows(rows, as_rows(dz), as_rows(build.term(x))), x).value;
  }
  if (build.wants(1)) {
    const Term one = expand_like(build.number(1, dy.dtype), scale),
               zero = expand_like(build.number(0, dy.dtype), scale);
    ir::Node& again = build.append_node(node.op(), {&x, one.value, zero.value}, 1);
    for (const auto& [name, value] : node.attributes()) again.attributes().set(name, value);
    gradients[1] = sum_over_channel(dy * build.term(again.output(), dy.dtype), rank).value;
  }
  if (build.wants(2)) gradients[2] = sum_over_channel(dy, rank).value;
  return gradients;
}

Result<std::vector<ir::Type>> infer_group_normalization(const ir::Node& node, InferContext&) {
  return std::vector{node.input(0)->type()};
}

}  // namespace edgesmith::ops
