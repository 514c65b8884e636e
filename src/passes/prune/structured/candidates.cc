// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/candidates.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "passes/prune/structured/row_sums.h"

namespace edgesmith::passes::prune {

Candidates::Candidates(ir::Graph& graph, const ChannelSettings& settings, const targets::Target* target,
                       const std::vector<bool>& selected)
    : graph(graph),
      map(graph, settings.grouped),
      layers(find_layers(graph, map)),
      groups(find_groups(map, layers, selected)),
      branches(settings.branches ? find_branches(graph, map, layers, selected) : std::vector<Branch>()),
      grouped(settings.grouped) {
  if (settings.needs_data()) refuse_wide();
  const int64_t multiple = settings.multiple ? *settings.multiple
                           : target == nullptr
                               ? 1
                               : std::max(target->limits.output_channels, target->limits.input_channels);
  for (const ChannelGroup& group : groups) {
    const int64_t own = channels_per_unit(group);
    // Heads as wide as a kernel likes go one by one, unless a multiple is asked for.
    const bool wide = own >= multiple && !settings.multiple;
    steps.push_back(steps_of(group, wide ? 1 : multiple / std::gcd(multiple, own), settings.multiple.has_value()));
  }
}

void Candidates::refuse_wide() {
  for (ChannelGroup& group : groups) {
    for (const int reader : group.readers) {
      const MixLayer& layer = layers[static_cast<size_t>(reader)];
      if (!group.reason.empty() || inputs_of_row(layer) <= kWidest) continue;
      group.reason = layer.node->label() + " reads " + std::to_string(inputs_of_row(layer)) +
                     " numbers at once, more than the " + std::to_string(kWidest) + " that can be refitted";
    }
  }
}

bool Candidates::any() const {
  return !branches.empty() ||
         std::any_of(steps.begin(), steps.end(), [](const auto& counts) { return counts.size() > 1; });
}

int64_t Candidates::channels_per_unit(const ChannelGroup& group) const {
  int64_t fewest = 0;
  for (const int maker : group.makers) {
    for (const auto& [space, count] : group.spaces) {
      if (space == layers[static_cast<size_t>(maker)].output_space)
        fewest = fewest == 0 ? count : std::min(fewest, count);
    }
  }
  return std::max<int64_t>(1, fewest);
}

std::vector<size_t> Candidates::branches_around(size_t place) const {
  std::vector<size_t> around;
  for (size_t b = 0; b < branches.size(); ++b) {
    const Branch& branch = branches[b];
    bool inside = place != groups.size() + b;
    if (place < groups.size()) {
      for (const auto& [space, count] : groups[place].spaces)
        inside = inside && branch.spaces[static_cast<size_t>(space)];
    } else if (inside) {
      const int add = branches[place - groups.size()].add;
      inside = std::find(branch.nodes.begin(), branch.nodes.end(), add) != branch.nodes.end();
    }
    if (inside) around.push_back(groups.size() + b);
  }
  return around;
}

}  // namespace edgesmith::passes::prune
