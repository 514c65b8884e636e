// SPDX-License-Identifier: Apache-2.0
#include "ops/group_statistics.h"

#include <cmath>
#include <string>

#include "ops/dispatch.h"
#include "ops/elements.h"

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

Result<std::vector<ir::Type>> infer_group_normalization(const ir::Node& node, InferContext&) {
  return std::vector{node.input(0)->type()};
}

}  // namespace edgesmith::ops
