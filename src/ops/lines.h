// SPDX-License-Identifier: Apache-2.0
// What softmax, log_softmax and hardmax share: a function of the lines along one axis.
//
// Attribute `axis` (default -1). The canonical attribute `coerce_2d` = 1 gives the meaning that ONNX had before opset
// 13: x is seen as a matrix [dims before axis, dims from axis on] and every row is one line (axis then defaults to 1).
#pragma once

#include <vector>

#include "edgesmith/ops/lines.h"
#include "ops/dispatch.h"
#include "ops/elements.h"

namespace edgesmith::ops {

Status verify_lines(const ir::Node& node);
Result<std::vector<ir::Type>> infer_lines(const ir::Node& node, InferContext& context);
/// OpInfo::channels: axes that no line runs along.
std::optional<ChannelRelation> slices_beside_lines(const ir::Node& node, int axis);
/// The axes that a line runs over, for operands of known rank.
ir::Ints line_axes(const ir::Node& node);

/// function(in, out, length, step) for every line of x, where in and out are its first elements.
template <typename Function>
Result<std::vector<ir::Tensor>> map_lines(const ir::Node& node, const ir::Tensor& x, Function&& function) {
  const auto lines = lines_of(node, x.dims());
  if (!lines) return lines.error();
  auto y = make_tensor(x.dtype(), x.dims());
  if (!y) return y.error();
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const T* in = x.data<T>().data();
    T* out = y->mutable_data<T>().data();
    for (int64_t o = 0; o < lines->outer && lines->length > 0; ++o) {
      for (int64_t i = 0; i < lines->inner; ++i) {
        const int64_t at = o * lines->length * lines->inner + i;
        function(in + at, out + at, lines->length, lines->inner);
      }
    }
    return std::vector{std::move(*y)};
  });
}

}  // namespace edgesmith::ops
