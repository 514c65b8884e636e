// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/groups.h"

#include <algorithm>
#include <map>

#include "edgesmith/ir/node_text.h"

namespace edgesmith::passes::prune {
namespace {

// Why all channels of a pinned value are needed.
std::string what_pins(const ChannelMap& map, const ChannelSpace& space) {
  for (const ir::Use& use : space.value->uses()) {
    if (use.node->is(ir::OpKind::output)) return "they are a result of the model";
    if (map.relation(*use.node) == nullptr) return use.node->label() + " needs all of them";
  }
  return space.value->node().label() + " joins them with channels that cannot go";
}

// How many channels a unit has in each space.
using Signature = std::vector<std::pair<int, int64_t>>;

}  // namespace

std::vector<MixLayer> find_layers(ir::Graph& graph, const ChannelMap& map) {
  const auto index_of = [&](const ChannelSpace* space) {
    return space == nullptr ? -1 : static_cast<int>(space - map.spaces().data());
  };
  std::vector<MixLayer> layers;
  for (ir::Node& node : graph.nodes()) {
    const ops::ChannelRelation* relation = map.relation(node);
    if (relation == nullptr || !relation->mixing) continue;
    const ops::Mixing& mixing = *relation->mixing;
    const ir::Tensor& weight = *node.input(mixing.weight)->constant();
    MixLayer layer{&node, mixing, index_of(map.mixed(node, mixing)), index_of(map.space(&node.output()))};
    layer.outputs = weight.dims()[static_cast<size_t>(mixing.weight_out_axis)];
    layer.inputs = weight.dims()[static_cast<size_t>(mixing.weight_in_axis)];
    layer.taps = weight.size() / std::max<int64_t>(1, layer.outputs * layer.inputs);
    layer.groups = mixing_groups(node);
    layer.inputs *= layer.groups;
    layers.push_back(layer);
  }
  return layers;
}

std::vector<ChannelGroup> find_groups(const ChannelMap& map, const std::vector<MixLayer>& layers,
                                      const std::vector<bool>& selected) {
  std::vector<int> space_of(static_cast<size_t>(map.num_channels()));
  for (size_t s = 0; s < map.spaces().size(); ++s) {
    const ChannelSpace& space = map.spaces()[s];
    for (int64_t c = 0; c < space.size; ++c) space_of[static_cast<size_t>(space.first + c)] = static_cast<int>(s);
  }
  std::map<int, std::vector<int>> units;  // by the smallest channel
  for (int channel = 0; channel < map.num_channels(); ++channel) units[map.group(channel)].push_back(channel);
  std::map<Signature, size_t> index;
  std::vector<ChannelGroup> groups;
  for (auto& [root, channels] : units) {
    std::map<int, int64_t> counts;
    for (const int channel : channels) ++counts[space_of[static_cast<size_t>(channel)]];
    const auto [found, is_new] = index.emplace(Signature(counts.begin(), counts.end()), groups.size());
    if (is_new) {
      groups.emplace_back();
      groups.back().spaces = found->first;
    }
    groups[found->second].units.push_back(std::move(channels));
  }
  for (ChannelGroup& group : groups) {
    for (const auto& [s, count] : group.spaces) {
      const ChannelSpace& space = map.spaces()[static_cast<size_t>(s)];
      if (space.pinned && group.reason.empty()) group.reason = what_pins(map, space);
      for (size_t l = 0; l < layers.size(); ++l) {
        if (layers[l].output_space == s) group.makers.push_back(static_cast<int>(l));
        if (layers[l].input_space == s) group.readers.push_back(static_cast<int>(l));
      }
    }
    for (const int maker : group.makers) {
      const ir::Node& node = *layers[static_cast<size_t>(maker)].node;
      if (group.name.empty()) group.name = ir::name_or_label(node);
      if (!selected[static_cast<size_t>(node.id())] && group.reason.empty()) {
        group.reason = node.label() + " is left out by the selectors";
      }
    }
    if (group.makers.empty() && group.reason.empty()) group.reason = "no layer makes them";
    if (group.units.size() < 2 && group.reason.empty()) {
      group.reason = group.units[0].size() > group.spaces.size() ? "they are all coupled" : "it is the only channel";
    }
  }
  return groups;
}

}  // namespace edgesmith::passes::prune
