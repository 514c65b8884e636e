// SPDX-License-Identifier: Apache-2.0
#include "passes/channels/channel_map.h"

#include <algorithm>
#include <numeric>

#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

// A dense float32 constant without annotation.
bool is_plain_float(const ir::Node& node, int index) {
  const ir::Tensor* tensor = plain_constant(node, index);
  return tensor != nullptr && tensor->dtype() == ir::DType::f32 && tensor->encoding() == ir::Encoding::dense;
}

// A layer whose weights may change: nobody else reads them.
bool is_layer(const ir::Node& node, const ops::Mixing& mixing) {
  if (!is_plain_float(node, mixing.weight) || node.input(mixing.weight)->uses().size() != 1) return false;
  if (mixing.bias < 0 || node.input(mixing.bias) == nullptr) return true;
  if (!is_plain_float(node, mixing.bias)) return false;
  const ir::Tensor& bias = *node.input(mixing.bias)->constant();
  const int64_t outputs = node.input(mixing.weight)->constant()->dims()[static_cast<size_t>(mixing.weight_out_axis)];
  return bias.size() == 1 || (bias.size() == outputs && bias.dims().back() == outputs);
}

int find(std::vector<int>& parents, int channel) {
  while (parents[static_cast<size_t>(channel)] != channel) {
    int& parent = parents[static_cast<size_t>(channel)];
    parent = parents[static_cast<size_t>(parent)];
    channel = parent;
  }
  return channel;
}

}  // namespace

ChannelMap::ChannelMap(ir::Graph& graph)
    : space_of_(static_cast<size_t>(graph.num_value_ids()), -1), relations_(static_cast<size_t>(graph.num_node_ids())) {
  for (ir::Node& node : graph.nodes()) track(node);
  pin_what_needs_all(graph);
  couple(graph);
}

const ChannelSpace* ChannelMap::space(const ir::Value* value) const {
  // Values and nodes made after the map are not in it.
  if (value == nullptr || static_cast<size_t>(value->id()) >= space_of_.size()) return nullptr;
  const int index = space_of_[static_cast<size_t>(value->id())];
  return index < 0 ? nullptr : &spaces_[static_cast<size_t>(index)];
}

const ops::ChannelRelation* ChannelMap::relation(const ir::Node& node) const {
  if (static_cast<size_t>(node.id()) >= relations_.size()) return nullptr;
  const auto& relation = relations_[static_cast<size_t>(node.id())];
  return relation ? &*relation : nullptr;
}

const ChannelSpace* ChannelMap::linked(const ir::Node& node, const ops::SliceLink& link) const {
  const ChannelSpace* own = space(node.input(link.operand));
  return own != nullptr && own->axis == link.axis ? own : nullptr;
}

const ChannelSpace* ChannelMap::mixed(const ir::Node& node, const ops::Mixing& mixing) const {
  return linked(node, {.operand = mixing.input, .axis = mixing.input_axis});
}

// The relation along the axis where the node mixes channels, or where an operand is tracked.
std::optional<ops::ChannelRelation> ChannelMap::find_relation(const ir::Node& node, int& axis) const {
  if (node.num_outputs() != 1 || !is_plain(node.output()) || ops::find_op(node.op()) == nullptr) return std::nullopt;
  for (axis = 0; axis < node.output().type().rank(); ++axis) {
    auto relation = ops::channel_relation(node, axis);
    if (!relation) continue;
    if (relation->mixing) return is_layer(node, *relation->mixing) ? relation : std::nullopt;
    const auto tracked = [&](const ops::SliceLink& link) { return linked(node, link) != nullptr; };
    if (std::any_of(relation->links.begin(), relation->links.end(), tracked)) return relation;
  }
  return std::nullopt;
}

void ChannelMap::track(ir::Node& node) {
  int axis = 0;
  auto relation = find_relation(node, axis);
  if (!relation || node.output().type().dtype != ir::DType::f32) return;
  const ir::Dim& size = (*node.output().type().shape)[static_cast<size_t>(axis)];
  if (!size.known() || size.value() == 0) return;
  ChannelSpace space{&node.output(), axis, size.value(), num_channels_};
  for (const ops::SliceLink& link : relation->links) {
    // What cannot shrink keeps the result from shrinking.
    if (linked(node, link) == nullptr && !is_plain_float(node, link.operand)) space.pinned = true;
  }
  num_channels_ += static_cast<int>(space.size);
  space_of_[static_cast<size_t>(node.output().id())] = static_cast<int>(spaces_.size());
  spaces_.push_back(space);
  relations_[static_cast<size_t>(node.id())] = std::move(relation);
}

bool ChannelMap::reads_by_channel(const ir::Use& use, const ChannelSpace& space) const {
  const ops::ChannelRelation* reader = relation(*use.node);
  if (reader == nullptr) return false;
  if (reader->mixing && reader->mixing->input == use.index) return reader->mixing->input_axis == space.axis;
  const auto reads = [&](const ops::SliceLink& link) { return link.operand == use.index && link.axis == space.axis; };
  return std::any_of(reader->links.begin(), reader->links.end(), reads);
}

void ChannelMap::pin_what_needs_all(const ir::Graph&) {
  for (ChannelSpace& space : spaces_) {
    for (const ir::Use& use : space.value->uses()) space.pinned = space.pinned || !reads_by_channel(use, space);
  }
}

void ChannelMap::couple(const ir::Graph& graph) {
  groups_.resize(static_cast<size_t>(num_channels_));
  std::iota(groups_.begin(), groups_.end(), 0);
  for (const ir::Node& node : graph.nodes()) {
    const ops::ChannelRelation* own = relation(node);
    if (own == nullptr) continue;
    const ChannelSpace& result = *space(&node.output());
    for (const ops::SliceLink& link : own->links) {
      const ChannelSpace* operand = linked(node, link);
      for (int64_t s = 0; operand != nullptr && s < operand->size; ++s) {
        for (int64_t r = 0; r < link.repeat; ++r) {
          const int a = find(groups_, operand->first + static_cast<int>(s));
          const int b = find(groups_, result.first + static_cast<int>(link.first + s * link.repeat + r));
          groups_[static_cast<size_t>(std::max(a, b))] = std::min(a, b);
        }
      }
    }
  }
  for (int channel = 0; channel < num_channels_; ++channel)
    groups_[static_cast<size_t>(channel)] = find(groups_, channel);
}

}  // namespace edgesmith::passes
