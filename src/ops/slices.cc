// SPDX-License-Identifier: Apache-2.0
#include "ops/slices.h"

#include <algorithm>

#include "ops/check.h"

namespace edgesmith::ops {

std::optional<int64_t> size_along(const ir::Value& value, int axis) {
  const auto& shape = value.type().shape;
  if (!shape || axis < 0 || axis >= static_cast<int>(shape->size())) return std::nullopt;
  const ir::Dim& dim = (*shape)[static_cast<size_t>(axis)];
  return dim.known() ? std::optional(dim.value()) : std::nullopt;
}

std::vector<int64_t> SliceUnits::of(int64_t unit, int64_t count) const {
  std::vector<int64_t> slices;
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < inner; ++i) slices.push_back(first + (o * count + unit) * inner + i);
  }
  return slices;
}

std::optional<ChannelRelation> same_slices(const ir::Node&, int axis) {
  return ChannelRelation{.links = {{.operand = 0, .axis = axis}}, .mixing = {}};
}

std::optional<ChannelRelation> same_planes(const ir::Node& node, int axis) {
  return axis < 2 ? same_slices(node, axis) : std::nullopt;
}

std::optional<ChannelRelation> broadcast_slices(const ir::Node& node, int axis) {
  const int rank = node.output().type().rank();
  const auto size = size_along(node.output(), axis);
  if (!size) return std::nullopt;
  ChannelRelation relation;
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (node.input(i) == nullptr) continue;
    if (!node.input(i)->type().has_rank()) return std::nullopt;
    const int own = axis - (rank - node.input(i)->type().rank());
    if (own < 0) continue;
    const auto own_size = size_along(*node.input(i), own);
    if (!own_size) return std::nullopt;
    if (*own_size == *size) relation.links.push_back({.operand = i, .axis = own});
  }
  return relation;
}

std::optional<ChannelRelation> slices_before_axis(const ir::Node& node, int axis) {
  const auto first = normalize_axis(node.attributes().get_int("axis", -1), node.output().type().rank());
  return first && axis < *first ? broadcast_slices(node, axis) : std::nullopt;
}

std::optional<ChannelRelation> grouped_slices(const ir::Node& node, int axis, int64_t groups) {
  const auto channels = size_along(*node.input(0), 1);
  if (axis != 1 || !channels || groups < 1 || *channels % groups != 0) return std::nullopt;
  const SliceUnits units = {.inner = *channels / groups};
  ChannelRelation relation{.links = {{0, 1, units, units, groups}}, .mixing = {}};
  for (int i = 1; i < node.num_inputs(); ++i) relation.links.push_back({i, 0, units, units, groups});
  return relation;
}

std::optional<ChannelRelation> kept_slices(const ir::Node& node, int axis) {
  const int rank = node.input(0)->type().rank();
  const ir::Value* operand = node.input(1);
  if (rank < 0 || (operand != nullptr && operand->constant() == nullptr)) return std::nullopt;
  const std::vector<int64_t> list = operand == nullptr ? std::vector<int64_t>{} : operand->constant()->to_int64s();
  const bool all = list.empty() && node.attributes().get_int("noop_with_empty_axes", 0) == 0;
  std::vector<bool> reduced(static_cast<size_t>(rank), all);
  const auto positive = normalize_axes(list, rank);
  if (!positive) return std::nullopt;
  for (const int reduced_axis : *positive) reduced[static_cast<size_t>(reduced_axis)] = true;
  const bool keeps = node.attributes().get_int("keepdims", 1) != 0;
  int at = 0;
  for (int from = 0; from < rank; ++from) {
    const bool gone = reduced[static_cast<size_t>(from)];
    if (gone && !keeps) continue;
    if (at == axis) return gone ? std::nullopt : std::optional(ChannelRelation{.links = {{0, from}}, .mixing = {}});
    ++at;
  }
  return std::nullopt;
}

std::optional<ChannelRelation> untouched_slices(const ir::Node& node, int axis, bool touched) {
  const auto before = size_along(*node.input(0), axis), after = size_along(node.output(), axis);
  if (touched || !before || before != after) return std::nullopt;
  return same_slices(node, axis);
}

}  // namespace edgesmith::ops
