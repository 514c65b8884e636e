// SPDX-License-Identifier: Apache-2.0
#include "passes/channels/channel_map.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

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

// Whether everything that reads `value` has slices along `axis` of its own to go with its slices, as far as the next
// layers. What a Reshape merges as an inner factor of an axis counts as not: another factor has its slices side by
// side.
class Following {
 public:
  explicit Following(GroupedConvs grouped) : grouped_(grouped) {}

  bool reaches_layers(const ir::Value& value, int axis) {
    if (!seen_.emplace(value.id(), axis).second) return true;
    return std::all_of(value.uses().begin(), value.uses().end(), [&](const ir::Use& use) { return reads(use, axis); });
  }

 private:
  bool reads(const ir::Use& use, int axis) {
    const ir::Node& node = *use.node;
    const int rank = node.is(ir::OpKind::output) ? 0 : node.output().type().rank();
    if (grouped_ == GroupedConvs::even && use.index == 0 && axis == 1) {
      const auto mixing = even_mixing(node);
      if (mixing && is_layer(node, *mixing)) return true;
    }
    for (int own = 0; own < rank; ++own) {
      const auto relation = ops::channel_relation(node, own);
      if (!relation) continue;
      if (relation->mixing && relation->mixing->input == use.index && relation->mixing->input_axis == axis) {
        if (is_layer(node, *relation->mixing)) return true;
      }
      bool any = false, all = true;
      for (const ops::SliceLink& link : relation->links) {
        if (link.operand != use.index || link.axis != axis) continue;
        any = true;
        all = all && link.to.outer == 1 && reaches_layers(node.output(link.output), own);
      }
      if (any && all) return true;
    }
    return false;
  }

  GroupedConvs grouped_;
  std::set<std::pair<int, int>> seen_;  // ids of values, axes
};

}  // namespace

ChannelMap::ChannelMap(ir::Graph& graph, GroupedConvs grouped)
    : grouped_(grouped),
      space_of_(static_cast<size_t>(graph.num_value_ids()), -1),
      relations_(static_cast<size_t>(graph.num_node_ids())) {
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

// The links along `axis` when an operand is tracked there, and every result that is read has some.
std::optional<ops::ChannelRelation> ChannelMap::find_links(const ir::Node& node, int axis) const {
  auto relation = ops::channel_relation(node, axis);
  if (!relation || relation->mixing) return std::nullopt;
  std::set<int> followed;  // operands
  for (const ops::SliceLink& link : relation->links) {
    if (linked(node, link) != nullptr) followed.insert(link.operand);
  }
  if (followed.empty()) return std::nullopt;
  std::erase_if(relation->links, [&](const ops::SliceLink& link) {
    return followed.contains(link.operand) && linked(node, link) == nullptr;
  });
  for (int i = 0; i < node.num_outputs(); ++i) {
    const ir::Value& output = node.output(i);
    const auto made = [&](const ops::SliceLink& link) { return link.output == i; };
    if (std::any_of(relation->links.begin(), relation->links.end(), made)) {
      const auto& shape = output.type().shape;
      const bool sized = shape && axis < static_cast<int>(shape->size()) && (*shape)[static_cast<size_t>(axis)].known();
      if (!sized || (*shape)[static_cast<size_t>(axis)].value() == 0) return std::nullopt;
    } else if (!output.unused()) {
      return std::nullopt;
    }
  }
  return relation;
}

// Of a layer, the relation along the axis.
std::optional<ops::ChannelRelation> ChannelMap::mixing_relation(const ir::Node& node, int axis) const {
  auto relation = ops::channel_relation(node, axis);
  if (relation && !relation->mixing && grouped_ == GroupedConvs::even) {
    relation = ops::ChannelRelation{.links = {}, .mixing = even_mixing(node)};
  }
  return relation && relation->mixing && is_layer(node, *relation->mixing) ? relation : std::nullopt;
}

// The relation along the axis where the node mixes channels, or where an operand is tracked.
std::optional<ops::ChannelRelation> ChannelMap::find_relation(const ir::Node& node, int& axis) const {
  if (ops::find_op(node.op()) == nullptr) return std::nullopt;
  for (int i = 0; i < node.num_outputs(); ++i) {
    const ir::Value& output = node.output(i);
    if (!is_plain(output) || (!output.unused() && output.type().dtype != ir::DType::f32)) return std::nullopt;
  }
  const int rank = node.output().type().rank();
  for (axis = 0; axis < rank; ++axis) {
    auto relation = mixing_relation(node, axis);
    if (!relation) continue;
    const ir::Dim& size = (*node.output().type().shape)[static_cast<size_t>(axis)];
    return size.known() && size.value() > 0 ? relation : std::nullopt;
  }
  std::optional<ops::ChannelRelation> first;
  int first_axis = 0;
  for (axis = 0; axis < rank; ++axis) {
    auto relation = find_links(node, axis);
    if (!relation) continue;
    if (!node.is(ir::OpKind::reshape) || Following(grouped_).reaches_layers(node.output(), axis)) return relation;
    if (first) continue;
    first = std::move(relation);
    first_axis = axis;
  }
  axis = first_axis;
  return first;
}

void ChannelMap::track(ir::Node& node) {
  int axis = 0;
  auto relation = find_relation(node, axis);
  if (!relation) return;
  for (int i = 0; i < node.num_outputs(); ++i) {
    const auto made = [&](const ops::SliceLink& link) { return link.output == i; };
    const bool has = relation->mixing || std::any_of(relation->links.begin(), relation->links.end(), made);
    if (!has) continue;
    const ir::Dim& size = (*node.output(i).type().shape)[static_cast<size_t>(axis)];
    ChannelSpace space{&node.output(i), axis, size.value(), num_channels_};
    for (const ops::SliceLink& link : relation->links) {
      // What cannot shrink keeps the result from shrinking.
      if (linked(node, link) == nullptr && !is_plain_float(node, link.operand)) space.pinned = true;
    }
    num_channels_ += static_cast<int>(space.size);
    space_of_[static_cast<size_t>(node.output(i).id())] = static_cast<int>(spaces_.size());
    spaces_.push_back(space);
  }
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

void ChannelMap::couple(int a, int b) {
  a = find(groups_, a);
  b = find(groups_, b);
  groups_[static_cast<size_t>(std::max(a, b))] = std::min(a, b);
}

void ChannelMap::couple(const ir::Graph& graph) {
  groups_.resize(static_cast<size_t>(num_channels_));
  std::iota(groups_.begin(), groups_.end(), 0);
  for (const ir::Node& node : graph.nodes()) {
    const ops::ChannelRelation* own = relation(node);
    if (own == nullptr) continue;
    const int64_t mixed_apart = own->mixing ? mixing_groups(node) : 1;
    if (mixed_apart > 1) {
      for (const ChannelSpace* side : {mixed(node, *own->mixing), space(&node.output())}) {
        const int64_t of_group = side == nullptr ? 0 : side->size / mixed_apart;
        for (int64_t c = of_group; side != nullptr && c < side->size; ++c) {
          couple(side->first + static_cast<int>(c % of_group), side->first + static_cast<int>(c));
        }
      }
    }
    for (const ops::SliceLink& link : own->links) {
      const ChannelSpace* operand = linked(node, link);
      const ChannelSpace& result = *space(&node.output(link.output));
      for (int64_t unit = 0; operand != nullptr && unit < link.count; ++unit) {
        std::vector<int> together;
        for (const int64_t s : link.from.of(unit, link.count)) together.push_back(operand->first + static_cast<int>(s));
        for (const int64_t s : link.to.of(unit, link.count)) together.push_back(result.first + static_cast<int>(s));
        for (const int channel : together) couple(together[0], channel);
      }
    }
  }
  for (int channel = 0; channel < num_channels_; ++channel)
    groups_[static_cast<size_t>(channel)] = find(groups_, channel);
}

}  // namespace edgesmith::passes
