// SPDX-License-Identifier: Apache-2.0
// What of a model may go: units of channels, group by group, and residual branches.
#pragma once

#include <cstdint>
#include <vector>

#include "edgesmith/targets/target.h"
#include "passes/prune/structured/branches.h"
#include "passes/prune/structured/settings.h"

namespace edgesmith::passes::prune {

struct Candidates {
  /// `selected` by node id: channels of other layers all stay. `target` may be null.
  Candidates(ir::Graph& graph, const ChannelSettings& settings, const targets::Target* target,
             const std::vector<bool>& selected);

  /// Whether anything may go.
  bool any() const;
  /// The fewest channels that the layers lose with a unit.
  int64_t channels_per_unit(const ChannelGroup& group) const;
  /// Groups and branches: places of what a choice removes.
  size_t places() const { return groups.size() + branches.size(); }
  /// Places of the branches that take a group or branch along.
  std::vector<size_t> branches_around(size_t place) const;

  CostModel cost_model(Cost cost, int64_t lanes = 1) const {
    return CostModel(graph, map, groups, branches, cost, lanes);
  }

  const ir::Graph& graph;
  ChannelMap map;
  std::vector<MixLayer> layers;
  std::vector<ChannelGroup> groups;
  std::vector<std::vector<int64_t>> steps;  ///< by group: numbers of units that may go
  std::vector<Branch> branches;             ///< empty when none is asked for
  GroupedConvs grouped;                     ///< how the map was made

 private:
  void refuse_wide();
};

}  // namespace edgesmith::passes::prune
