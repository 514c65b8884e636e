// SPDX-License-Identifier: Apache-2.0
#include "ops/scales.h"

#include <string>

#include "ops/check.h"

namespace edgesmith::ops {

Result<ScaleIndex> scale_index(const ir::Node& node, const ir::Dims& x, const ir::Dims& scale) {
  ScaleIndex index;
  if (scale.empty() || (scale.size() == 1 && scale[0] == 1)) return index;
  const auto axis = normalize_axis(node.attributes().get_int("axis", 1), static_cast<int>(x.size()));
  if (!axis) return axis.error();
  const auto at = static_cast<size_t>(*axis);
  index.channels = x[at];
  for (size_t d = at + 1; d < x.size(); ++d) index.inner *= x[d];
  index.block = node.attributes().get_int("block_size", 0);
  ir::Dims expected = {x[at]};
  if (index.block > 0) {
    index.blocks = index.channels == 0 ? 0 : (index.channels - 1) / index.block + 1;
    expected = x;
    expected[at] = index.blocks;
  }
  if (scale == expected) return index;
  return invalid_error("scale is " + ir::type_of(ir::DType::f32, scale).text() + " for " +
                       ir::type_of(ir::DType::f32, x).text() + " and axis " + std::to_string(*axis) + ", must be " +
                       ir::type_of(ir::DType::f32, expected).text());
}

Status check_zero_point(const ir::Tensor& scale, const ir::Tensor* zero_point) {
  if (zero_point == nullptr || zero_point->dims() == scale.dims()) return {};
  if (zero_point->size() == 1 && scale.size() == 1) return {};
  return invalid_error("zero point is " + zero_point->type().text() + " for a scale of " + scale.type().text());
}

}  // namespace edgesmith::ops
