// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/records.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/base/text.h"
#include "edgesmith/ops/op_info.h"
#include "passes/layer_record.h"
#include "passes/prune/percent.h"

namespace edgesmith::passes::prune {
namespace {

void note_sizes(const Candidates& candidates, const ChannelSettings& settings, const std::vector<int64_t>& removed,
                std::vector<std::string>& notes) {
  const CostModel macs = candidates.cost_model(Cost::macs), params = candidates.cost_model(Cost::params);
  const std::vector<int64_t> none(removed.size(), 0);
  int64_t channels = 0, gone = 0;
  for (size_t g = 0; g < candidates.groups.size(); ++g) {
    if (!candidates.groups[g].reason.empty()) continue;
    channels += static_cast<int64_t>(candidates.groups[g].units.size());
    gone += removed[g];
  }
  const auto text = [&](const CostModel& model) {
    return std::to_string(std::llround(model.of(removed))) + " of " + std::to_string(std::llround(model.of(none))) +
           " (" + percent(model.of(removed) / model.of(none)) + ")";
  };
  if (!candidates.branches.empty()) {
    const auto first = removed.begin() + static_cast<std::ptrdiff_t>(candidates.groups.size());
    notes.push_back(std::to_string(std::count(first, removed.end(), 1)) + " of " +
                    std::to_string(candidates.branches.size()) + " residual branches are gone");
  }
  notes.push_back(std::to_string(gone) + " of " + std::to_string(channels) +
                  " channels that may go are gone (coupled ones count once)");
  notes.push_back("multiply-adds left: " + text(macs) + ", parameters left: " + text(params));
  if (settings.time) {
    const CostModel time = candidates.cost_model(Cost::time, settings.lanes);
    notes.push_back("time left by the cost model: " + percent(time.of(removed) / time.of(none)));
  }
}

}  // namespace

std::string what_stays(const Candidates& candidates) {
  constexpr size_t kMostNamed = 3;
  std::vector<std::pair<int64_t, std::string>> all;
  for (const ChannelGroup& group : candidates.groups) {
    if (group.reason.empty() || group.name.empty()) continue;
    const int64_t channels = static_cast<int64_t>(group.units.size()) * candidates.channels_per_unit(group);
    all.emplace_back(channels,
                     "'" + group.name + "': its " + std::to_string(channels) + " channels stay: " + group.reason);
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> named;
  for (size_t i = 0; i < std::min(all.size(), kMostNamed); ++i) named.push_back(all[i].second);
  if (all.size() > kMostNamed) named.push_back("and " + std::to_string(all.size() - kMostNamed) + " more");
  return join(named, "; ");
}

void record_what_stays(const Candidates& candidates, PassContext& context) {
  for (const ChannelGroup& group : candidates.groups) {
    if (group.reason.empty() || group.name.empty()) continue;
    LayerRecord entry;
    entry.node = group.name;
    entry.status = "kept";
    const int64_t channels = static_cast<int64_t>(group.units.size()) * candidates.channels_per_unit(group);
    entry.reason = "its " + std::to_string(channels) + " channels stay: " + group.reason;
    context.layers.push_back(std::move(entry));
  }
}

void record_choice(const Candidates& candidates, const ChannelSettings& settings, const std::vector<int64_t>& removed,
                   const std::vector<bool>& gone, PassContext& context) {
  note_sizes(candidates, settings, removed, context.notes);
  const auto left = [&](int index) {
    const ChannelSpace& space = candidates.map.spaces()[static_cast<size_t>(index)];
    const auto first = gone.begin() + space.first;
    return static_cast<int64_t>(std::count(first, first + space.size, false));
  };
  std::vector<bool> taken(static_cast<size_t>(candidates.graph.num_node_ids()), false);
  for (size_t b = 0; b < candidates.branches.size(); ++b) {
    if (removed[candidates.groups.size() + b] == 0) continue;
    for (const int node : candidates.branches[b].nodes) taken[static_cast<size_t>(node)] = true;
  }
  for (const MixLayer& layer : candidates.layers) {
    const auto macs = static_cast<double>(ops::cost_of(*layer.node).macs);
    if (taken[static_cast<size_t>(layer.node->id())]) {
      LayerRecord entry = layer_record(*layer.node, "removed");
      entry.reason = "its residual branch is gone";
      entry.numbers = {{"macs_before", macs}, {"macs_after", 0.0}};
      context.layers.push_back(std::move(entry));
      continue;
    }
    const int64_t outputs = left(layer.output_space);
    const int64_t inputs = layer.input_space < 0 ? layer.inputs : left(layer.input_space);
    if (outputs == layer.outputs && inputs == layer.inputs) continue;
    LayerRecord entry = layer_record(*layer.node, "pruned");
    entry.reason = std::to_string(layer.inputs) + " to " + std::to_string(layer.outputs) + " channels became " +
                   std::to_string(inputs) + " to " + std::to_string(outputs);
    const double share = static_cast<double>(inputs * outputs) / static_cast<double>(layer.inputs * layer.outputs);
    entry.numbers = {{"channels_before", static_cast<double>(layer.outputs)},
                     {"channels_after", static_cast<double>(outputs)},
                     {"input_channels_before", static_cast<double>(layer.inputs)},
                     {"input_channels_after", static_cast<double>(inputs)},
                     {"macs_before", macs},
                     {"macs_after", macs * share}};
    context.layers.push_back(std::move(entry));
  }
}

}  // namespace edgesmith::passes::prune
