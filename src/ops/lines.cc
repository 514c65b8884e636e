// SPDX-License-Identifier: Apache-2.0
#include "ops/lines.h"
#include "ops/check.h"
#include "ops/slices.h"

namespace edgesmith::ops {
namespace {

bool coerces(const ir::Node& node) { return node.attributes().get_int("coerce_2d", 0) != 0; }

// The axis counted from the front; with coerce_2d it may also be the rank itself (every element is a line).
Result<int> axis_of(const ir::Node& node, int rank) {
  const int64_t axis = node.attributes().get_int("axis", coerces(node) ? 1 : -1);
  if (coerces(node) && axis == rank) return rank;
  if (rank == 0 && (axis == 0 || axis == -1)) return 0;
  return normalize_axis(axis, rank);
}

}  // namespace

Status verify_lines(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"axis", AttributeKind::integer}, {"coerce_2d", AttributeKind::integer}}));
  EDGESMITH_TRY(check_flag(node, "coerce_2d"));
  const auto& x = node.input(0)->type().shape;
  if (!x) return {};
  const auto axis = axis_of(node, static_cast<int>(x->size()));
  return axis ? Status{} : axis.error();
}

Result<std::vector<ir::Type>> infer_lines(const ir::Node& node, InferContext&) {
  return std::vector{node.input(0)->type()};
}

std::optional<ChannelRelation> slices_beside_lines(const ir::Node& node, int axis) {
  if (!node.output().type().has_rank()) return std::nullopt;
  const auto own = axis_of(node, node.output().type().rank());
  if (!own || (coerces(node) ? axis >= *own : axis == *own)) return std::nullopt;
  return same_slices(node, axis);
}

ir::Ints line_axes(const ir::Node& node) {
  const int rank = node.output().type().rank();
  const auto first = axis_of(node, rank);
  ir::Ints axes;
  for (int axis = first ? *first : rank; axis < rank && (axes.empty() || coerces(node)); ++axis) axes.push_back(axis);
  return axes;
}

Result<Lines> lines_of(const ir::Node& node, const ir::Dims& dims) {
  const auto axis = axis_of(node, static_cast<int>(dims.size()));
  if (!axis) return axis.error();
  const auto at = static_cast<size_t>(*axis);
  Lines lines;
  for (size_t d = 0; d < dims.size(); ++d) {
    int64_t& part = d < at ? lines.outer : d == at || coerces(node) ? lines.length : lines.inner;
    part *= dims[d];
  }
  return lines;
}

}  // namespace edgesmith::ops
